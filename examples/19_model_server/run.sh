#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM: serves the program's models, and asks as clients of OpenAI's and of TEI's interface do; by OpenAI's own client, too, where it
# is installed (pip install openai).
set -euo pipefail
# shellcheck source=examples/serve.sh
source "${BASH_SOURCE[0]%/*}/../serve.sh"
ask() { curl -sS --no-buffer "$address$1" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' -d "$2"; }

ask /v1/embeddings '{"model": "sentiment-tiny", "input": ["good job", "bad job"]}' | grep -o '"usage":{.*}'
ask /predict '{"inputs": "good job"}' | grep -o '"label":"[A-Z]*"' | sed -n 1p
ask /v1/tasks/read_aloud '{"text": "I love it. I want my money back."}'
"$1" --yonder-compare classify '{"text": "good job"}' --calls 20 --at 1,8 --with "${BASH_SOURCE[0]%/*}/../../models/sentiment-tiny" | sed -n '2,3s/  .*//p'

"${YONDER_PYTHON:-python3}" - "$address/v1" "$key" <<'PYTHON'
import sys
try:
    import openai
except ImportError:
    print("OpenAI's client is not installed: skipped", file=sys.stderr)
    sys.exit()
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2])
given = client.embeddings.create(model="sentiment-tiny", input=["good job", "bad job"])
plain = client.embeddings.create(model="sentiment-tiny", input="bad job", encoding_format="float")
pairs = zip(given.data[1].embedding, plain.data[0].embedding)  # as base64, and as decimal numbers
assert len(given.data) == 2 and all(abs(a - b) < 1e-6 for a, b in pairs), "the same in both forms"
assert given.usage.total_tokens > 0 and [model.id for model in client.models.list()] == ["sentiment-tiny"]
try:
    client.embeddings.create(model="another", input="x")
    raise SystemExit("an unknown model answers")
except openai.NotFoundError:
    print("OpenAI's client agrees", file=sys.stderr)
PYTHON
