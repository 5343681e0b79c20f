# SPDX-License-Identifier: Apache-2.0
"""Rows of `./dev bench ml` that begin with text: tokenizers on one thread, and from a client's call to the label."""

import os
import pathlib
import random
import shutil
import statistics
import subprocess
import time

import onnxruntime
import tokenizers
import torch
import transformers

import large_vocabulary
import models

ROOT = pathlib.Path(__file__).resolve().parents[3]
BATCH = 32
TIMES_FASTER = {"tokenizer": 12}  # than Hugging Face, at least; Unigram:
TIMES_FASTER_UNIGRAM = 10


class Program:
    """bench_ml_tokens or bench_ml_service, driven by lines."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(each) for each in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.process.args[0]} ended with status {self.process.wait()}")
        return answer[1:]

    def seconds(self, command):
        return float(self.ask(command)[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def seconds_of(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def interleave(candidates, rounds):
    """{name: [seconds of each round]}, after one round that does not count."""
    times = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds + 1):
        first = number % len(names)  # nobody always comes behind the same one
        for name in names[first:] + names[:first]:
            times[name].append(candidates[name]())
    return {name: values[1:] for name, values in times.items()}


def prose():
    """The lines of this project's documents."""
    files = [ROOT / "LICENSE", *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")),
             ROOT / "examples/07_sentiment/texts.txt"]
    return [line for file in files for line in file.read_text().splitlines() if line.strip()]


def other_tokenizers(file):
    """Faster ones that PyPI has: [(name, encode all)], [(name, why it is left out)]."""
    try:
        import tokie
    except ModuleNotFoundError as error:
        return {}, [("tokie", str(error))]
    tokenizer = tokie.Tokenizer.from_json(str(file))
    return {"tokie": lambda lines: [tokenizer.encode(line) for line in lines]}, []


def wordpiece_folder(options):
    folder = ROOT / "models/sentiment-tiny"
    return folder, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def unigram_folder(options):
    """XLM-R's tokenizer with the small vocabulary of the goldens."""
    import google.protobuf  # noqa: F401  what transformers reads the file with
    import sentencepiece  # noqa: F401
    folder = pathlib.Path(options.folder) / "xlm-roberta-tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "kernels/tests/goldens/unigram/sentencepiece.bpe.model", folder)
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "XLMRobertaTokenizer"}\n')
    return folder, transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer


def large_unigram_folder(options):
    """The same with 250,000 pieces."""
    import google.protobuf  # noqa: F401
    folder = large_vocabulary.train(pathlib.Path(options.folder) / "large-unigram-tokenizer")
    return folder, transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer


def measure_tokens(what, make_folder, options, report, make_lines=prose):
    try:
        lines = make_lines()
    except ModuleNotFoundError as error:
        return report.skip(what, str(error))
    file = pathlib.Path(options.folder) / "prose.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines))
    try:
        folder, theirs = make_folder(options)
    except ModuleNotFoundError as error:
        return report.skip(what, str(error))
    ours = Program(pathlib.Path(options.forward).with_name("bench_ml_tokens"), folder, file)
    theirs.no_truncation()
    theirs.no_padding()
    expected = [token for encoding in theirs.encode_batch(lines) for token in encoding.ids]
    if [int(token) for token in ours.ask("ids")] != expected:
        raise SystemExit("bench ml: the tokens differ from Hugging Face's; there is no use in measuring them")
    name = f"Hugging Face tokenizers {tokenizers.__version__}"
    candidates = {f"{name}, encode_batch": lambda: seconds_of(lambda: theirs.encode_batch(lines)),
                  f"{name}, encode": lambda: seconds_of(lambda: [theirs.encode(line) for line in lines])}
    others, absent = other_tokenizers(folder / "tokenizer.json") if (folder / "tokenizer.json").exists() else ({}, [])
    for other, run in others.items():
        candidates[other] = lambda run=run: seconds_of(lambda: run(lines))
    times = interleave({"yonder": lambda: ours.seconds("run"), **candidates}, options.rounds)
    title = f"{what}, one thread, {sum(len(line.encode()) for line in lines) // 1000} kB in {len(lines)} lines"
    for candidate in candidates:
        report.add(title, times, candidate, TIMES_FASTER.get(what, TIMES_FASTER_UNIGRAM) if candidate.startswith(name) else 1)
    for other, why in absent:
        report.skip(f"{what}, {other}", why)
    ours.close()


def random_texts(count):
    """Of words that the vocabulary of models.py has, 4 to 60 of them."""
    generator = random.Random(1)
    return [" ".join(f"w{generator.randrange(20_000)}" for _ in range(generator.randint(4, 60))) for _ in range(count)]


class Pipeline:
    """transformers' own."""

    name = "transformers pipeline"

    def __init__(self, model, folder):
        self.run = transformers.pipeline("text-classification", model=model, device="cpu", batch_size=BATCH,
                                         tokenizer=transformers.AutoTokenizer.from_pretrained(folder))

    def labels(self, texts):
        return [found["label"] for found in self.run(texts)]


class Onnx:
    """ONNX Runtime behind Hugging Face's tokenizer, padded to the longest of 32 texts."""

    name = "ONNX Runtime"

    def __init__(self, model, folder, threads):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.names = model.config.id2label
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(models.export(model, folder)), settings,
                                                    providers=["CPUExecutionProvider"])

    def labels(self, texts):
        found = []
        for begin in range(0, len(texts), BATCH):
            batch = self.tokenizer(texts[begin:begin + BATCH], return_tensors="np", padding=True, truncation=True)
            logits, = self.session.run(None, {name: batch[name].astype("int64") for name in models.NAMES})
            found += [self.names[int(label)] for label in logits.argmax(1)]
        return found


def one_by_one(candidate, texts):
    return statistics.median(seconds_of(lambda text=text: candidate.labels([text])) for text in texts)


def measure_service(name, options, report):
    model = models.make(name)
    folder = models.write(name, model, options.folder)
    texts = random_texts(256)
    file = pathlib.Path(options.folder) / "texts.txt"
    file.write_text("".join(text + "\n" for text in texts))
    ours = Program(pathlib.Path(options.forward).with_name("bench_ml_service"), folder, file, options.threads)
    candidates = [Pipeline(model, folder), Onnx(model, folder, options.threads)]
    labels = ours.ask("labels")
    with torch.inference_mode():
        for each in candidates:
            agree = sum(a == b for a, b in zip(labels, each.labels(texts), strict=True))
            if agree < 0.98 * len(texts):
                raise SystemExit(f"bench ml: {each.name} gives {len(texts) - agree} other labels of {len(texts)}")
        many = interleave({"yonder": lambda: ours.seconds("many"),
                           **{each.name: lambda each=each: seconds_of(lambda: each.labels(texts)) for each in candidates}},
                          options.rounds)
        one = interleave({"yonder": lambda: ours.seconds("one"),
                          **{each.name: lambda each=each: one_by_one(each, texts[:64]) for each in candidates}}, options.rounds)
    print(f"# {name}: {len(texts) / statistics.median(many['yonder']):.0f} texts/s from a client")
    for each in candidates:
        report.add(f"{name}, client to label, {len(texts)} texts", many, each.name, 1.8)
        report.add(f"{name}, client to label, one text", one, each.name, 1.15)
    ours.close()


def measure(options, report):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    measure_tokens("tokenizer", wordpiece_folder, options, report)
    measure_tokens("XLM-R tokenizer", unigram_folder, options, report)
    measure_tokens("XLM-R tokenizer, 250,000 pieces", large_unigram_folder, options, report)
    measure_tokens("XLM-R tokenizer, 250,000 pieces, 12 languages", large_unigram_folder, options, report,
                   large_vocabulary.texts)
    for name in options.model or models.SERVED:
        if name in models.SERVED:
            measure_service(name, options, report)
