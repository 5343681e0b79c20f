# SPDX-License-Identifier: Apache-2.0
"""What litserve serves for servers.py: a module of its own, as its workers load it anew."""

import litserve
import servers


class Api(litserve.LitAPI):
    def __init__(self, folder, threads, **options):
        super().__init__(**options)
        self.model_of = (folder, threads)

    def setup(self, device):
        self.model = servers.OnnxModel(*self.model_of)

    def decode_request(self, request):
        return request["text"]

    def predict(self, texts):
        return self.model.labels(list(texts))

    def encode_response(self, label):
        return {"label": label}
