#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers as a llama-server does, with figures that do not depend on the machine, and misbehaves as FAKE_SERVER says:

  dies          ends at once, with a last word
  dies-later    ends at the third request for text
  slow-start    answers 503 ten times before it is ready
  no-metrics    has no /metrics
  hangs         never answers a request for text
  never-ready   answers 503 for ever
  drafts        drafts without being asked to
  port-taken    finds its port taken, the first FAKE_TAKEN times (counts in FAKE_STATE)
  port-shared   the same, and what has it answers as another llama-server would
  ignores-term  ends by SIGKILL only
  garbage       answers with no JSON
  other-text    generates another text when it drafts
  wrapper       runs another one, which behaves as FAKE_WRAPPED says, as a child of its own
  slow          takes half a second for each answer
  dead          has a head of which nothing is accepted
  short         ends its texts after five tokens

Each line of FAKE_LOG is the arguments of one start, with the LLAMA_* variables before them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

MODE = os.environ.get("FAKE_SERVER", "")


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


DEPTH = int(option("--spec-draft-n-max", option("--draft-max", "0")))
if MODE == "drafts":
    DEPTH = max(DEPTH, 1)


class State:
    asked = 0
    health = 0
    drafted = accepted = steps = 0
    accepted_at = [0] * 8


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, status=200, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_refused(self):
        key = option("--api-key")
        refused = key is not None and self.headers["Authorization"] != f"Bearer {key}"
        if refused:
            self.answer({"error": {"message": "Invalid API Key"}}, 401)
        return refused

    def do_GET(self):
        if self.path != "/health" and self.is_refused():
            return
        if self.path == "/health":
            State.health += 1
            waits = MODE == "never-ready" or MODE == "slow-start" and State.health <= 10
            self.answer({"error": {"message": "Loading model", "code": 503}} if waits else {"status": "ok"},
                        503 if waits else 200)
        elif self.path == "/props":
            self.answer({"build_info": "b1-fake"})
        elif self.path == "/metrics" and MODE != "no-metrics":
            values = {"spec_decode_num_draft_tokens_total": State.drafted,
                      "spec_decode_num_accepted_tokens_total": State.accepted,
                      "spec_decode_num_drafts_total": State.steps}
            text = "".join(f"# TYPE llamacpp:{name} counter\nllamacpp:{name} {value}\n" for name, value in values.items())
            text += "".join(
                f'llamacpp:spec_decode_num_accepted_tokens_per_pos_total{{position="{i}"}} {State.accepted_at[i]}\n'
                for i in range(DEPTH))
            self.answer(text, kind="text/plain")
        else:
            self.answer({"error": {"message": "not supported"}}, 501)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_refused():
            return
        if "prompt" not in request and "messages" not in request:
            return self.answer({"error": {"message": "there is no prompt"}}, 400)
        State.asked += 1
        if MODE == "hangs":
            time.sleep(600)
        if MODE == "dies-later" and State.asked == 3:
            print("out of memory: the last word", flush=True)
            os._exit(9)
        if MODE == "slow":
            time.sleep(0.5)
        if MODE == "garbage":
            return self.answer("<html>", kind="text/html")
        tokens = request.get("n_predict", request.get("max_tokens"))
        if MODE == "short":
            tokens = 5
        # Of each draft the first token is accepted, and no other.
        accepted = 1 if DEPTH and MODE != "dead" else 0
        steps = tokens // (accepted + 1) if DEPTH else 0
        State.steps += steps
        State.drafted += steps * DEPTH
        State.accepted += steps * accepted
        State.accepted_at[0] += steps * accepted
        # Each prompt has its own speed, the same in every start.
        prompt = request.get("prompt") or request["messages"][0]["content"]
        speed = (40 + len(prompt) % 7) * (1 + 0.3 * DEPTH)
        timings = {"predicted_n": tokens, "predicted_ms": 1000 * tokens / speed}
        if DEPTH:
            timings |= {"draft_n": steps * DEPTH, "draft_n_accepted": steps * accepted}
        text = f"text of {len(prompt)}"
        if MODE == "other-text" and DEPTH == 2:
            text += " and more"
        if "messages" in request:
            return self.answer({"choices": [{"message": {"role": "assistant", "content": text}}], "timings": timings})
        answer = {"content": text, "timings": timings, "tokens": [1, 3 if text.endswith("more") else 2]}
        if request.get("n_probs"):
            answer["completion_probabilities"] = [
                {"top_logprobs": [{"logprob": -0.1}, {"logprob": -3.0}]},
                {"top_logprobs": [{"logprob": -0.5}, {"logprob": -0.75}]}]
        self.answer(answer)


def main():
    if "--list-devices" in sys.argv:
        print("Available devices:\n  FAKE0: Fake GPU 3000 (24576 MiB, 24000 MiB free)")
        return
    if log := os.environ.get("FAKE_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            variables = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith("LLAMA_")]
            file.write(" ".join([*variables, *sys.argv[1:]]) + "\n")
    if MODE == "dies":
        print("error: the last word", file=sys.stderr)
        sys.exit(1)
    if MODE == "wrapper":
        environment = os.environ | {"FAKE_SERVER": os.environ.get("FAKE_WRAPPED", "")}
        sys.exit(subprocess.call([sys.executable, __file__, *sys.argv[1:]], env=environment))
    if MODE == "port-taken":
        state = Path(os.environ["FAKE_STATE"])
        starts = int(state.read_text()) if state.exists() else 0
        state.write_text(str(starts + 1))
        if starts < int(os.environ.get("FAKE_TAKEN", "2")):
            print("couldn't bind HTTP server socket, hostname: 127.0.0.1", flush=True)
            sys.exit(1)
    if MODE == "port-shared":
        state = Path(os.environ["FAKE_STATE"])
        if not state.exists():
            state.touch()
            sys.argv[sys.argv.index("--api-key") + 1] = "another's"
            sys.argv[sys.argv.index("--api-key")] = "--alias"
    if MODE == "ignores-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = HTTPServer(("127.0.0.1", int(option("--port"))), Handler)
    if option("--port") == "0":
        print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
