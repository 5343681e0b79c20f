# SPDX-License-Identifier: Apache-2.0
"""The servers that a batched service is measured against, each with what it is made for: `servers.py KIND FOLDER THREADS PORT` runs one.

They answer a POST to /classify: {"text": …} with {"label": …}, but for infinity, whose interface is its own. All compute in fp32.
"""

import os
import pathlib
import sys

BATCH = 32        # where a server puts requests together
WAIT = 0.005      # seconds that the first of a batch waits for others


class OnnxModel:
    """ONNX Runtime behind Hugging Face's tokenizer, padded to the longest text of a batch."""

    def __init__(self, folder, threads):
        import json

        import onnxruntime
        import transformers
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        labels = json.loads((pathlib.Path(folder) / "config.json").read_text()).get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        self.names = {int(key): value for key, value in labels.items()}
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(f"{folder}/model.onnx", settings, providers=["CPUExecutionProvider"])

    def labels(self, texts):
        batch = self.tokenizer(texts, return_tensors="np", padding=True, truncation=True)
        logits, = self.session.run(None, {name: batch[name].astype("int64") for name in ("input_ids", "attention_mask")})
        return [self.names[int(label)] for label in logits.argmax(1)]


def serve_fastapi(folder, threads, port):
    """A request at a time to the model, by FastAPI's threads."""
    import fastapi
    import uvicorn
    model = OnnxModel(folder, threads)
    app = fastapi.FastAPI()

    @app.post("/classify")
    def classify(body: dict) -> dict:
        return {"label": model.labels([body["text"]])[0]}

    uvicorn.run(app, port=port, log_level="error")


def serve_litserve(folder, threads, port):
    from litserve import LitServer
    from litserve_api import Api
    api = Api(folder, threads, max_batch_size=BATCH, batch_timeout=WAIT, api_path="/classify")
    LitServer(api, accelerator="cpu").run(port=port, log_level="error", generate_client_file=False)


def serve_ray(folder, threads, port):
    import time

    import ray
    from ray import serve
    ray.init(num_cpus=max(2, threads), include_dashboard=False, log_to_driver=False, logging_level="error")

    @serve.deployment(max_ongoing_requests=256)
    class Model:
        def __init__(self):
            self.model = OnnxModel(folder, threads)

        @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT)
        async def classify(self, texts):
            return self.model.labels(texts)

        async def __call__(self, request):
            return {"label": await self.classify((await request.json())["text"])}

    serve.start(http_options={"port": port})
    serve.run(Model.bind(), route_prefix="/classify")
    while True:
        time.sleep(60)


def serve_pipeline(folder, threads, port):
    """transformers' own pipeline over PyTorch, a text at a time, by FastAPI's threads."""
    import fastapi
    import torch
    import transformers
    import uvicorn
    torch.set_num_threads(threads)
    classify_text = transformers.pipeline("text-classification", model=folder, tokenizer=folder, device="cpu")
    app = fastapi.FastAPI()

    @app.post("/classify")
    def classify(body: dict) -> dict:
        return {"label": classify_text(body["text"], truncation=True)[0]["label"]}

    uvicorn.run(app, port=port, log_level="error")


def serve_infinity(folder, threads, port):
    """Its own server, over PyTorch: a program, as its packages do not go with those of the others."""
    os.execvp("infinity_emb", ["infinity_emb", "v2", "--model-id", folder, "--port", str(port), "--engine", "torch", "--device", "cpu",
                       "--dtype", "float32", "--batch-size", str(BATCH), "--no-bettertransformer", "--log-level", "error"])


# What each needs: modules of this Python, or a program.
KINDS = {"FastAPI, ONNX Runtime": (serve_fastapi, "fastapi uvicorn onnxruntime transformers"),
         "litserve, ONNX Runtime": (serve_litserve, "litserve onnxruntime transformers"),
         "Ray Serve, ONNX Runtime": (serve_ray, "ray onnxruntime transformers"),
         "infinity, PyTorch": (serve_infinity, "infinity_emb")}

# And those that `./dev bench http` asks besides.
ALL = {**KINDS, "FastAPI, transformers pipeline": (serve_pipeline, "fastapi uvicorn torch transformers")}

if __name__ == "__main__":
    kind, model, cores, at = sys.argv[1:]
    os.environ.update(TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS=cores, HF_HUB_OFFLINE="1", RAY_SERVE_LOG_TO_STDERR="0")
    ALL[kind][0](model, int(cores), int(at))
