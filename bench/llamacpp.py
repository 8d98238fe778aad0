"""How far llama.cpp's server is from the exact reading of the same file: log-probabilities, P, legal mass.

    python bench/llamacpp.py FILE.gguf MODEL [--prompts 24] [--float32] [--threads 1]

MODEL is the file converted to float32, as hf/FOLDER or smollm2; FILE is served by `llama-server`, or by that
of the package xllamacpp. Prompts are those of four games in four frames. What is served:

    as it is    the file; llama.cpp rounds activations to 8 bits in its products, and keys and values to 16
    --float32   the same weights in a file of float32, keys and values too. What differs is the order of sums
                alone, so this is the test of the reading itself

A quarter of the prompts are asked again in the reverse order; `order` is what that moves. Adds a row to
bench/llamacpp.json, or --out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from homines.core.registry import find
from homines.core.types import Choice, Prompt
from homines.elicitation.questions import battery, questions
from homines.inference.tokens import encode
from homines.models import load

GAMES = ("ipd", "ish", "icd", "bos")
FRAMES = ("table(labels='A,B')", "table", "sentences(labels='X,Y')", "table(labels='A,B', begins='Answer:')")
NOWHERE = "neither the command llama-server nor the package xllamacpp is here: `pip install xllamacpp`"
PACKAGE = """
import sys, time
import xllamacpp as x
params = x.CommonParams()
file, port, threads, plain = sys.argv[1:]
params.model.path, params.port, params.hostnames = file, int(port), ["127.0.0.1"]
params.n_ctx, params.n_parallel = 2048, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
if plain == "plain":
    params.cache_type_k = params.cache_type_v = x.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = x.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = x.Server(params)
print("build", x.BUILD_INFO, flush=True)
time.sleep(3600)
"""


def command(file: Path, port: int, threads: int, plain: bool) -> list[str]:
    """The command of a server of this file on loopback. plain: keys and values in float32."""
    if found := shutil.which("llama-server"):
        where = ["--host", "127.0.0.1", "--port", str(port), "-t", str(threads), "-c", "2048", "-np", "1"]
        return [
            found,
            "-m",
            str(file),
            *where,
            *(["-ctk", "f32", "-ctv", "f32", "-fa", "off"] if plain else []),
        ]
    try:
        import xllamacpp  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        sys.exit(NOWHERE)
    return [sys.executable, "-c", PACKAGE, str(file), str(port), str(threads), "plain" if plain else ""]


@contextmanager
def serve(file: Path, threads: int, *, plain: bool = False) -> Iterator[str]:
    """The address of a server of this file, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command(file, port, threads, plain), stdout=log, stderr=log)
        try:
            while not _answers(address):
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit(log.read().decode()[-2000:])
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def write_float32(source: Path, target: Path) -> None:
    """Copy a GGUF file with its tensors in float32, which holds every value of the quantised types."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter
    from gguf.quants import dequantize

    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name == "general.architecture" or name.startswith("GGUF."):
            continue
        value = 0 if name == "general.file_type" else field.contents()
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ask(model: Any, n: int) -> list[Prompt]:
    """`n` prompts, spread evenly over games and frames."""
    games = {name: battery(find("games", name)) for name in GAMES}
    asked = [q.prompt for q in questions(model, games, [find("frames", frame) for frame in FRAMES])]
    return [asked[round(i)] for i in np.linspace(0, len(asked) - 1, min(n, len(asked)))]


def compare(served: Sequence[Choice], back: Sequence[Choice], exact: Sequence[Choice]) -> dict[str, Any]:
    """Differences of a server's answers from the exact ones, and from its own in another order."""
    logp = np.concatenate([_logp(one) - _logp(two) for one, two in zip(served, exact, strict=True)])
    p = np.concatenate([one.p - two.p for one, two in zip(served, exact, strict=True)])
    mass = np.array([one.mass - two.mass for one, two in zip(served, exact, strict=True)])
    order = np.concatenate([one.p - two.p for one, two in zip(served, back, strict=False)])
    columns = {"logp": logp, "p": p, "mass": mass, "order": order}
    return {"prompts": len(exact), "labels": len(logp)} | {
        f"{column} {kind}": float(reduce(np.abs(values)))
        for column, values in columns.items()
        for kind, reduce in (("mean", np.mean), ("max", np.max))
    }


def _logp(choice: Choice) -> np.ndarray[Any, Any]:
    """Log-probability of every label, end included."""
    return choice.logp + np.log(choice.mass)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("gguf", type=Path)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--float32", action="store_true", help="serve the same weights in float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    local: Any = load(options.model)
    prompts = ask(local, options.prompts)
    again = prompts[: max(1, len(prompts) // 4)]
    exact, tokens = local.score(prompts), encode(local.tokenizer, prompts)
    with tempfile.TemporaryDirectory() as folder:
        file = options.gguf
        if options.float32:
            file = Path(folder) / file.name
            write_float32(options.gguf, file)
        with serve(file, options.threads, plain=options.float32) as address:
            os.environ["LLAMACPP_BASE_URL"] = address
            model: Any = load(f"llamacpp/{file.name}")
            start = time.perf_counter()
            served = model.score(prompts)
            seconds = time.perf_counter() - start
            back = model.score(again[::-1])[::-1]
            same = sum(a == b for a, b in zip(encode(model.tokenizer, prompts), tokens, strict=True))
            row = compare(served, back, exact) | {"same tokens": same, "seconds": seconds}
            row |= {"build": model.provenance["server"], "threads": options.threads}
            model.close()
    print({key: f"{value:.2g}" if isinstance(value, float) else value for key, value in row.items()})
    rows = json.loads(options.out.read_text()) if options.out.exists() else {}
    rows[f"{options.gguf.name}, {'float32' if options.float32 else 'as it is'}"] = row
    options.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
