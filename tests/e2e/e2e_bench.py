#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`mtpgraft bench` with the real llama-server and the bundled models.

Its counts must be those that another client (urllib) reads from the same server's answers and /metrics, for the same
prompts: greedy counts do not depend on the load of the machine. Speeds do, and are not looked at. No server may
outlive mtpgraft, however that ends.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

MODELS = Path(__file__).parent.parent / "models"
TARGET = MODELS / "target-12L-Q4_K_M.gguf"
PROMPTS = MODELS / "prompts.json"
PREDICT = 32
# bench asks the first prompt for so many tokens before it counts. What the server was asked last can change a count
# by 1.
WARM_UP = 16
# One thread: what is added up in another order gives another text.
SERVER_OPTIONS = ["-t", "1", "-c", "2048"]
DRAFTING = ["--spec-type", "draft-mtp", "--spec-draft-n-max"]
COUNTERS = {"drafted": "spec_decode_num_draft_tokens_total", "accepted": "spec_decode_num_accepted_tokens_total",
            "drafts": "spec_decode_num_drafts_total"}
# Log-probabilities of the best two tokens. Other batches take other kernels, whose sums differ in the last digits.
NEAR_TIE = 0.2
KILLS = 20


# --- The server, and a client of it -----------------------------------------------------------------------------------

def get(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read().decode()


@contextmanager
def running(server, *options):
    """Starts a server; gives its URL. That it has found the port free is seen by its being ready, and running
    then."""
    for port in random.sample(range(20000, 30000), 5):
        url = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryFile("w+") as log:
            command = [server, "--port", str(port), "-np", "1", "--metrics", *SERVER_OPTIONS, *options]
            process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                while process.poll() is None:
                    try:
                        get(f"{url}/health")
                    except OSError:
                        time.sleep(0.05)
                        continue
                    if process.poll() is None:
                        yield url
                        return
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            text = log.read()
            assert "couldn't bind" in text, f"the server ended:\n{text}"
    raise AssertionError("no port is free")


def counters(url):
    """Of /metrics: the counters by their names above, and accepted tokens by position."""
    values = dict(line.rsplit(" ", 1) for line in get(f"{url}/metrics").splitlines() if not line.startswith("#"))
    found = {name: int(values[f"llamacpp:{key}"]) for name, key in COUNTERS.items()}
    by_position = "llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position=\"%d\"}"
    found["by position"] = [int(values[by_position % i]) for i in range(64) if by_position % i in values]
    return found


def difference(before, after):
    return {name: [b - a for a, b in zip(before[name], after[name])] if isinstance(after[name], list)
            else after[name] - before[name] for name in after}


def ask(url, prompt, chat=False, predict=PREDICT, **sampling):
    body = {"temperature": 0, "seed": 1, "cache_prompt": False} | sampling
    if chat:
        answer = json.loads(get(f"{url}/v1/chat/completions", body | {
            "messages": [{"role": "user", "content": prompt}], "max_tokens": predict}))
        message = answer["choices"][0]["message"]
        return message.get("reasoning_content", "") + (message["content"] or ""), answer["timings"]
    answer = json.loads(get(f"{url}/completion", body | {"prompt": prompt, "n_predict": predict}))
    return answer["content"], answer["timings"]


def expected_counts(server, prompts, *options, **asking):
    """What bench must find with the server's options, and the texts."""
    with running(server, *options) as url:
        ask(url, prompts[0], predict=WARM_UP, **asking)
        before = counters(url)
        answers = [ask(url, prompt, **asking) for prompt in prompts]
        total = difference(before, counters(url))
    drafted, accepted = (sum(timings.get(key, 0) for _, timings in answers) for key in ("draft_n", "draft_n_accepted"))
    assert (drafted, accepted) == (total["drafted"], total["accepted"]), f"timings and /metrics differ: {total}"
    tokens = sum(timings["predicted_n"] for _, timings in answers)
    return {"drafted": drafted, "accepted": accepted,
            "acceptance": accepted / drafted if drafted else None,
            "acceptance_by_position": [count / total["drafts"] for count in total["by position"]] or None,
            "tokens_per_step": tokens / (tokens - accepted)}, [text for text, _ in answers]


# --- mtpgraft ---------------------------------------------------------------------------------------------------------

class Bench:
    def __init__(self, program, server, work):
        self.program, self.server, self.work = program, server, work

    def mtpgraft(self, *options):
        subprocess.run([self.program, *options], check=True, cwd=self.work)

    def run(self, *options, status=0, server_options=SERVER_OPTIONS):
        """Runs bench with --json; gives its answer."""
        server = ["--server", self.server, "--predict", str(PREDICT), "--prompts", PROMPTS, "--json", "-q"]
        behind = ["--", *server_options] if server_options else []
        if "--url" in options:
            server = server[2:]
        made = subprocess.run([self.program, "bench", *server, *options, *behind], capture_output=True, text=True,
                              cwd=self.work, timeout=300)
        assert made.returncode == status, f"exit {made.returncode}, not {status}: {made.stdout}{made.stderr}"
        answer = json.loads(made.stdout)
        assert answer["ok"] == (status == 0), made.stdout
        return answer


def assert_counts(depths, expected):
    """`expected` has what must be there of each depth."""
    assert list(expected) == [depth["depth"] for depth in depths], depths
    for depth in depths:
        found = {key: depth[key] for key in expected[depth["depth"]]}
        assert found == expected[depth["depth"]], f"depth {depth['depth']}: {found}, not {expected[depth['depth']]}"


def assert_texts(model, texts):
    """That differences are told of the prompts whose texts differ, where they part, and that those are near-ties."""
    found = [(one["prompt"], one["depth"], one["offset"]) for one in model["text_differences"]]
    expected = []
    for depth in [depth for depth in texts if depth]:
        for number, (one, other) in enumerate(zip(texts[0], texts[depth])):
            if one != other:
                common = os.path.commonprefix([one.encode(), other.encode()])
                expected.append((f"prompt {number + 1}", depth, len(common)))
    assert sorted(found) == sorted(expected), f"{found}, not {expected}"
    for one in model["text_differences"]:
        assert one["gap"] is not None and 0 <= one["gap"] < NEAR_TIE, f"no near-tie: {one}"


# --- Tests ------------------------------------------------------------------------------------------------------------

def test_counts(bench, prompts):
    """a graft at depths 1, 2 and 3; a sidecar; the ungrafted target as baseline"""
    counts, texts = {}, {}
    for depth in (0, 1, 2, 3):
        drafting = [*DRAFTING, str(depth)] if depth else []
        counts[depth], texts[depth] = expected_counts(bench.server, prompts, "-m", bench.work / "Tiny-MTP-Q4_K_M.gguf",
                                                      *drafting)
    assert counts.pop(0)["drafted"] == 0
    assert counts[1]["acceptance"] > 0.8, counts

    whole = bench.run("Tiny-MTP-Q4_K_M.gguf")
    model = whole["result"]["models"][0]
    assert_counts(model["depths"], counts)
    assert_texts(model, texts)
    assert whole["result"]["devices"] == [] and model["complete"] and model["server_build"].startswith("b"), whole

    # A graft's baseline is the target's text, as is what a sidecar beside it drafts.
    target = bench.run("Tiny-MTP-Q4_K_M.gguf", "--baseline", TARGET, "--depths", "2")["result"]["models"][0]
    assert_counts(target["depths"], {2: counts[2]})
    assert_texts(target, {depth: texts[depth] for depth in (0, 2)})
    beside, beside_texts = expected_counts(bench.server, prompts, "-m", TARGET, "-md", bench.work / "Tiny-sidecar.gguf",
                                           *DRAFTING, "2")
    sidecar = bench.run(TARGET, "--model-draft", "Tiny-sidecar.gguf", "--depths", "2")["result"]["models"][0]
    assert_counts(sidecar["depths"], {2: beside})
    assert_texts(sidecar, {0: texts[0], 2: beside_texts})
    return ", ".join(f"{one['accepted']} of {one['drafted']}" for one in [*counts.values(), beside])


def test_sampling(bench, prompts):
    """a temperature with a seed, and chat messages"""
    drafting = ["-m", bench.work / "Tiny-MTP-Q4_K_M.gguf", *DRAFTING, "1"]
    warm, _ = expected_counts(bench.server, prompts, *drafting, temperature=0.6, top_k=20, seed=7)
    model = bench.run("Tiny-MTP-Q4_K_M.gguf", "--temp", "0.6", "--top-k", "20", "--seed", "7", "--depths", "1")
    assert_counts(model["result"]["models"][0]["depths"], {1: warm})
    chat, _ = expected_counts(bench.server, prompts, *drafting, chat=True)
    model = bench.run("Tiny-MTP-Q4_K_M.gguf", "--chat", "--depths", "1")
    assert_counts(model["result"]["models"][0]["depths"], {1: chat})
    return f"{warm['accepted']} of {warm['drafted']}, {chat['accepted']} of {chat['drafted']}"


def test_several(bench, prompts):
    """several models, one of them split, with a card; a random head fails"""
    out = sorted(path.name for path in bench.work.glob("*-MTP-*.gguf"))
    assert len(out) == 4, out
    several = bench.run(*out, "--card", "card.md", "--depths", "1", status=1)
    by_name = {model["model"].split("-MTP-")[0]: model for model in several["result"]["models"]}
    assert set(by_name) == {"Random", "Split", "Tiny"}, by_name
    assert by_name["Split"]["depths"][0]["drafted"] == by_name["Tiny"]["depths"][0]["drafted"], by_name
    assert by_name["Random"]["depths"][0]["acceptance"] < 0.05, by_name
    problems = several["result"]["problems"]
    assert len(problems) == 1 and problems[0].startswith("Random-MTP-F16.gguf: acceptance 0.0"), problems
    card = (bench.work / "card.md").read_text()
    for model in several["result"]["models"]:
        assert model["card"].strip() in card, card
    bench.run("Tiny-MTP-Q4_K_M.gguf", "--depths", "1", "--min-acceptance", "0.999", status=1)
    headless = bench.run(TARGET, status=3)
    assert headless["error"]["code"] == "incompatible", headless


def test_url(bench, prompts):
    """a server that runs, which has answered others before"""
    expected, _ = expected_counts(bench.server, prompts, "-m", bench.work / "Tiny-MTP-Q4_K_M.gguf", *DRAFTING, "2")
    with running(bench.server, "-m", bench.work / "Tiny-MTP-Q4_K_M.gguf", *DRAFTING, "2") as url:
        ask(url, prompts[0])
        model = bench.run("--url", url, server_options=[])["result"]["models"][0]
        get(f"{url}/health")
    assert_counts(model["depths"], {None: expected})
    for nothing in ("baseline_tokens_per_second", "noise", "best_depth", "text_differences"):
        assert model[nothing] is None, model


def processes_of(work):
    """Command lines with the folder in them, by process, of whatever there is beside this program."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        process = int(path.parent.name)
        if process != os.getpid() and any(os.fsencode(work) in word for word in words):
            found[process] = b" ".join(words).decode(errors="replace")
    return found


def start(bench, *options):
    command = [bench.program, "bench", bench.work / "Tiny-MTP-Q4_K_M.gguf", "--server", bench.server, "--json",
               *options, "--", *SERVER_OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=bench.work)


def test_interrupt(bench, prompts):
    """interrupted in the middle: what was measured until then"""
    expected, _ = expected_counts(bench.server, prompts, "-m", bench.work / "Tiny-MTP-Q4_K_M.gguf", *DRAFTING, "1")
    process = start(bench, "--predict", str(PREDICT), "--prompts", PROMPTS, "--depths", "1,3", "--progress=json")
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "bench" and event["depth"] == 3:
            process.send_signal(signal.SIGINT)
            break
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT, process.returncode
    answer = json.loads(stdout)
    model = answer["result"]["models"][0]
    assert answer["error"]["code"] == "interrupted" and not model["complete"], answer
    assert_counts(model["depths"], {1: expected})


def test_kills(bench, prompts):
    """killed at random moments: no process is left"""
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT]
    seen = 0
    for number in range(KILLS):
        process = start(bench, "--predict", "512")
        # Half of them while something is started: the first second has the most of it.
        moment = random.uniform(0, 0.8 if number % 2 else 3)
        time.sleep(moment)
        seen += any(line.startswith(str(bench.server)) for line in processes_of(bench.work).values())
        kill = signals[number % len(signals)]
        process.send_signal(kill)
        process.communicate(timeout=30)
        # A program that is killed before it has set up its signals ends by them, too.
        assert process.returncode == -kill, f"round {number}, {kill.name} at {moment:.3f} s: {process.returncode}"
        for _ in range(50):
            if not processes_of(bench.work):
                break
            time.sleep(0.1)
        left = processes_of(bench.work)
        for process in left:
            os.kill(process, signal.SIGKILL)
        assert not left, f"round {number}, {kill.name} at {moment:.3f} s left {list(left.values())}"
    assert seen >= KILLS / 2, f"only {seen} of {KILLS} had a server"
    return f"{seen} with a server that ran"


TESTS = [test_counts, test_sampling, test_several, test_url, test_interrupt, test_kills]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtpgraft", required=True, type=Path, help="the program")
    parser.add_argument("--server", required=True, type=Path, help="what build_llama_server.sh builds")
    parser.add_argument("--filter", default="", help="part of the names of the tests to run")
    arguments = parser.parse_args()
    prompts = json.loads(PROMPTS.read_text())
    failed = 0
    with tempfile.TemporaryDirectory(prefix="mtpgraft-e2e-") as folder:
        work = Path(folder)
        # By a name that no other server has. Its libraries are beside what the link points to.
        (work / "llama-server").symlink_to(arguments.server.resolve())
        bench = Bench(arguments.mtpgraft.resolve(), work / "llama-server", work)
        head = MODELS / "mtp-base-8L-Q8_0.gguf"
        bench.mtpgraft("graft", "-q", TARGET, head, "-o", "Tiny-MTP-Q4_K_M.gguf")
        bench.mtpgraft("graft", "-q", TARGET, head, "-o", "Split-MTP-Q4_K_M.gguf", "--split-head")
        bench.mtpgraft("graft", "-q", TARGET, MODELS / "mtp-random-8L-F16.gguf", "-o", "Random-MTP-F16.gguf")
        bench.mtpgraft("extract", "-q", "--for", TARGET, head, "-o", "Tiny-sidecar.gguf")
        for test in [test for test in TESTS if arguments.filter in test.__name__]:
            begin = time.monotonic()
            try:
                note, word = test(bench, prompts), "ok    "
            except Exception as error:  # whatever it is, the others are run
                note, word = f"{type(error).__name__}: {error}", "not ok"
                failed += 1
            note = "; ".join(filter(None, [note, f"{time.monotonic() - begin:.1f} s"]))
            print(f"{word}  bench: {test.__doc__} ({note})", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
