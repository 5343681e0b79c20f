# SPDX-License-Identifier: Apache-2.0
"""The candidates that an encoder is measured against: each prepare()s a batch and run()s it."""

import copy
import logging

import numpy
import onnxruntime
import openvino
import torch
from models import NAMES, export


class Torch:
    def __init__(self, model, name):
        self.model = model
        self.name = name

    def prepare(self, batch):
        self.inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}

    def run(self):
        with torch.inference_mode():
            return self.model(**self.inputs).logits

    def logits(self):
        return self.run().float().numpy()


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, file, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def prepare(self, batch):
        self.inputs = dict(zip(NAMES, (batch.ids.numpy(), batch.mask.numpy())))

    def run(self):
        return self.session.run(None, self.inputs)

    def logits(self):
        return self.run()[0]


class OpenVino:
    name = "OpenVINO"

    def __init__(self, model, precision, threads):
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        self.request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def prepare(self, batch):
        self.inputs = dict(zip(NAMES, (batch.ids.numpy(), batch.mask.numpy())))

    def run(self):
        return self.request.infer(self.inputs)

    def logits(self):
        return self.run()[0]


def in_fp32(model, file, threads):
    return [Torch(model, "PyTorch"), OnnxRuntime(file, threads), OpenVino(str(file), "f32", threads)], []


def in_bf16(model, file, threads):
    found = [Torch(copy.deepcopy(model).bfloat16(), "PyTorch"), OpenVino(str(file), "bf16", threads)]
    return found, [("ONNX Runtime", "it has no bf16 on x86-64 CPUs")]


def torch_int8(model):
    quantize = getattr(getattr(torch.ao, "quantization", None), "quantize_dynamic", None)
    return quantize and Torch(quantize(copy.deepcopy(model), {torch.nn.Linear}, dtype=torch.qint8), "PyTorch")


def onnx_int8(file, threads):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantized = file.with_name("model-int8.onnx")
    if not quantized.exists():
        logging.disable(logging.WARNING)
        quantize_dynamic(str(file), str(quantized), weight_type=QuantType.QInt8, per_channel=True)
        logging.disable(logging.NOTSET)
    return OnnxRuntime(quantized, threads)


def openvino_int8(file, threads):
    """Activations quantized with scales from random texts: OpenVINO's fastest int8."""
    import nncf
    logging.getLogger("nncf").setLevel(logging.ERROR)
    generator = numpy.random.default_rng(1)
    texts = [generator.integers(5, 30000, (1, 64)) for _ in range(8)]
    data = nncf.Dataset([dict(zip(NAMES, (ids, numpy.ones_like(ids)))) for ids in texts])
    model = nncf.quantize(openvino.Core().read_model(str(file)), data, model_type=nncf.ModelType.TRANSFORMER,
                          subset_size=len(texts))
    return OpenVino(model, "f32", threads)


def in_int8(model, file, threads):
    found, absent = [], []
    for name, make in (("PyTorch", lambda: torch_int8(model)), ("ONNX Runtime", lambda: onnx_int8(file, threads)),
                       ("OpenVINO", lambda: openvino_int8(file, threads))):
        try:
            candidate, why = make(), "this version has no dynamic quantization"
        except ModuleNotFoundError as error:
            candidate, why = None, f"no module '{error.name}': pip install {error.name}"
        except Exception as error:  # a peer that cannot is left out, and said to be
            candidate, why = None, f"{type(error).__name__}: {error}".splitlines()[0]
        if candidate:
            found.append(candidate)
        else:
            absent.append((name, why))
    return found, absent


def only_torch(model, precision, why):
    """Where the model cannot be exported for the others."""
    candidate = {"fp32": lambda: Torch(model, "PyTorch"), "bf16": lambda: Torch(copy.deepcopy(model).bfloat16(), "PyTorch"),
                 "int8": lambda: torch_int8(model)}[precision]()
    absent = [("ONNX Runtime", why), ("OpenVINO", why)]
    if candidate:
        return [candidate], absent
    return [], [("PyTorch", "this version has no dynamic quantization"), *absent]


def make(model, folder, precision, threads):
    """(candidates, [(who is left out, why)])"""
    try:
        file = export(model, folder)
    except Exception as error:  # of a family that torch.onnx does not know
        return only_torch(model, precision, f"torch.onnx: {type(error).__name__}: {error}".splitlines()[0])
    return {"fp32": in_fp32, "bf16": in_bf16, "int8": in_int8}[precision](model, file, threads)
