"""`hf/FOLDER-OR-HUB-ID`: any causal language model of transformers, read exactly from its logits."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from homines.core.types import Choice, HominesError, Prompt
from homines.inference import hub, model_folder, processes
from homines.inference.adapters import Adapter, find_adapter, note_base
from homines.inference.dtypes import NF4, four_bits, loading_arguments, pick_dtype, weight_dtype
from homines.inference.generation import writes
from homines.inference.logits import distinct_tokens, holds, label_logprobs, shares
from homines.inference.memory import EMBEDDINGS, check_memory, count_numbers, saved_dtype
from homines.inference.products import use_onednn
from homines.inference.reasoning import Reasoned, ReasoningOptions, read_reasoned, write
from homines.inference.tokens import Encoded, encode, render, terminator


class HuggingFace:
    """A transformers causal LM and its tokenizer behind the `Model` protocol."""

    continues = True
    batch = 96  # more than the slots of `generation`, so that these stay full for longer

    def __init__(self, net: Any, tokenizer: Any, *, name: str, provenance: Mapping[str, Any]) -> None:
        self.net = use_onednn(net).eval()
        self.tokenizer = tokenizer
        self.name = name
        self.share = shares(net)
        self.hold = self.share and holds(net)
        # products gain little beyond 256 tokens, and each token attends to all of its pass
        self.budget = 4096 if net.device.type != "cpu" else 256 if self.hold else 512
        self.window = _window(net.config.get_text_config())
        self.reasoning = ReasoningOptions()
        self._reasoned: dict[str, Reasoned] = {}
        self.provenance: dict[str, Any] = {
            **provenance,
            "device": str(net.device),
            "dtype": weight_dtype(net),
            "prefix_sharing": self.share,
            "chat_template": bool(tokenizer.chat_template),
        }

    @cached_property
    def writes(self) -> bool:
        """Whether texts can be written in slots (`generation`); else transformers' generate writes them."""
        return self.hold and writes(self.net)

    def encode(self, prompts: Sequence[Prompt]) -> list[Encoded]:
        """Tokens of these prompts and labels; HominesError where one does not fit the context."""
        encoded = encode(self.tokenizer, prompts)
        for item in encoded:
            self.fits(item)
        return encoded

    def fits(self, item: Encoded) -> None:
        """HominesError where this is longer than the model's context."""
        long = len(item.prompt) + max(map(len, item.labels))
        if long > self.window:
            raise HominesError(
                f"a prompt of {long} tokens does not fit this model's context of {self.window}; "
                "shorten the frame or choose a model with a longer context"
            )

    def logprobs(self, encoded: Sequence[Encoded]) -> list[torch.Tensor]:
        """Log-probability of every label, with gradients where they are enabled."""
        return label_logprobs(self.net, encoded, share=self.share, hold=self.hold, budget=self.budget)

    def tokens(self, prompts: Sequence[Prompt]) -> int:
        """How many tokens scoring these prompts reads, without running anything."""
        return distinct_tokens(self.encode(prompts), self.budget, hold=self.hold) if prompts else 0

    def score(self, prompts: Sequence[Prompt]) -> list[Choice]:
        """Exact choices. For a prompt with a cue: the average over sampled reasons (`reasoning`)."""
        self.net.eval()
        out: dict[int, Choice] = {}
        silent = [i for i, prompt in enumerate(prompts) if not prompt.cue]
        spoken = [i for i, prompt in enumerate(prompts) if prompt.cue]
        with torch.no_grad():
            read = self.logprobs(self.encode([prompts[i] for i in silent])) if silent else []
        out.update((i, to_choice(logp)) for i, logp in zip(silent, read, strict=True))
        reasoned = read_reasoned(self, [prompts[i] for i in spoken], self.reasoning) if spoken else []
        out.update((i, r.choice) for i, r in zip(spoken, reasoned, strict=True))
        self._reasoned = {prompts[i].key: r for i, r in zip(spoken, reasoned, strict=True)}
        return [out[i] for i in range(len(prompts))]

    def notes(self, prompt: Prompt) -> dict[str, Any]:
        """What to record with the answer just scored. For a prompt with a cue: the reasons, their tokens, the
        standard error of the average, and one drawn answer for each reason."""
        reasoned = self._reasoned.get(prompt.key)
        return {} if reasoned is None else reasoned.notes()

    def say(self, messages: Sequence[tuple[str, str]], *, most: int = 64) -> str:
        """The likeliest text after these turns (greedy), at most `most` tokens; no measurement uses it."""
        text = render(self.tokenizer, Prompt(tuple(messages), ("x",)))
        special = not self.tokenizer.chat_template
        inputs = self.tokenizer(text, return_tensors="pt", add_special_tokens=special)
        self.net.eval()
        with torch.no_grad():
            out = self.net.generate(
                **inputs.to(self.net.device),
                max_new_tokens=most,
                do_sample=False,
                eos_token_id=terminator(self.tokenizer),
                pad_token_id=terminator(self.tokenizer),
            )
        return self.tokenizer.decode(out[0, inputs.input_ids.shape[1] :], skip_special_tokens=True).strip()

    def write(self, prompts: Sequence[Prompt], how: ReasoningOptions) -> list[str]:
        """Sampled text after each prompt (`reasoning.write`); labels are ignored."""
        return write(self, prompts, how)

    def perplexity(self, text: str) -> float:
        """exp of the mean negative log-probability per token of `text`, given its first token."""
        ids = tuple(self.tokenizer(text, add_special_tokens=False).input_ids)
        self.net.eval()
        with torch.no_grad():
            (logp,) = self.logprobs([Encoded(ids[:1], (ids[1:],))])
        return float(torch.exp(-logp.cpu().double()[0] / (len(ids) - 1)))


def to_choice(logp: torch.Tensor) -> Choice:
    """Label log-probabilities, terminator included, to a Choice with its legal mass; 0 where all are -inf."""
    values = logp.cpu().double()  # in this order: Apple's GPUs have no float64
    return Choice(Choice.of(values.numpy()).logp, min(1.0, float(values.exp().sum())))


def _window(shape: Any) -> int:
    """The longest prompt that the network was trained for: its context, or its sliding window if shorter."""
    sizes = [getattr(shape, "max_position_embeddings", None), getattr(shape, "n_positions", None)]
    if getattr(shape, "use_sliding_window", True):
        sizes.append(getattr(shape, "sliding_window", None))
    return min([size for size in sizes if isinstance(size, int) and size > 0] or [2**31])


def load(
    rest: str,
    adapters: tuple[str, ...],
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
    name: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> HuggingFace:
    """Load a model from a folder or a hub id; weights from safetensors alone."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = pick_device(device)
    if place.startswith("cuda:"):
        torch.cuda.set_device(place)  # for tensors made on "cuda" while loading, and bitsandbytes' kernels
    kind = pick_dtype(dtype, place)
    name = name or f"hf/{rest}"
    if not rest:
        raise HominesError("hf/ needs a folder or hub id, as in hf/Qwen/Qwen3-0.6B")
    folder = Path(rest).expanduser()
    if folder.is_dir():
        rest = str(folder)
        _check_folder(folder)
    else:
        hub.check_reach(rest)
    sources = [_find_adapter(adapter, name) for adapter in adapters]  # a mistyped name costs no load
    files = _check_files(rest)
    tokenizer = load_tokenizer(rest, trust_remote_code)
    try:
        if files:
            stored = saved_dtype(files) if kind == "auto" else kind
            count = count_numbers(files) if trust_remote_code else model_folder.count_weights(rest, files)
            whole = count_numbers(files, EMBEDDINGS) if kind == NF4 else 0
            check_memory(name, count, stored, place, whole=whole)
        net = _network(rest, name, trust_remote_code, loading_arguments(kind, place))
        net = net if four_bits(net) else net.to(place)
    except HominesError:
        raise
    except Exception as failure:
        raise HominesError(f"cannot load {name}: {first_line(failure)}") from failure
    facts: dict[str, Any] = dict(provenance or {})
    if "revision" not in facts:
        facts["revision"] = (
            hash_files(model_files(folder)) if folder.is_dir() else getattr(net.config, "_commit_hash", None)
        )
    if len(adapters) > 1 and four_bits(net):  # PEFT would leave the second one's weights at zero
        raise HominesError(
            f"{name} is in four bits and {len(adapters)} adapters are named ({', '.join(adapters)}); none "
            "can be merged into four bits, so one alone is put on them: use --dtype bfloat16, or merge the "
            "adapters into the model in float first and name that folder"
        )
    for adapter, source in zip(adapters, sources, strict=True):
        net = _put_adapter(net, adapter, source)
        facts["revision"] = f"{facts['revision']}+{source.commit or hash_files(source.files)}"
    try:
        return HuggingFace(net, tokenizer, name="+".join((name, *adapters)), provenance=facts)
    except HominesError:
        raise
    except Exception as failure:  # settings that fit the weights may still describe a network that cannot run
        raise HominesError(f"cannot read with {name}: {first_line(failure)}") from failure


def load_tokenizer(rest: str, trust_remote_code: bool = False) -> Any:
    """The tokenizer in a folder or of a Hub id. Raises HominesError where there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(rest, trust_remote_code=trust_remote_code)
    except Exception as failure:
        raise HominesError(
            f"no tokenizer in {rest!r} ({first_line(failure)}); a folder must hold tokenizer.json or the "
            "files of its tokenizer, a hub id must exist and be in reach (or in the Hub's cache)"
        ) from failure
    if not len(tokenizer):
        raise HominesError(f"the tokenizer of {rest!r} is empty; the folder lacks tokenizer.json")
    return tokenizer


def _network(rest: str, name: str, trust_remote_code: bool, placement: Mapping[str, Any]) -> Any:
    """The network with all its weights. Raises HominesError where the files lack some of them."""
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        rest,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
        **placement,
    )
    net, report = loaded
    if missing := sorted(report["missing_keys"]):  # transformers would initialise these at random
        raise HominesError(
            f"cannot load {name}: its files lack {len(missing)} of the weights in config.json "
            f"({missing[0]}); fetch the config.json and weights that belong together"
        )
    return net


def _check_folder(folder: Path) -> None:
    """Raises HominesError where a folder holds no model of transformers in safetensors, or an adapter."""
    if not (folder / "config.json").exists():
        raise HominesError(f"{folder} holds no config.json; is it a transformers model folder?")
    if not list(folder.glob("*.safetensors")):
        raise HominesError(
            f"{folder} holds no .safetensors file; homines loads weights from safetensors only "
            "(convert with model.save_pretrained)"
        )
    if (folder / "adapter_config.json").exists():  # transformers would load another model in its place
        raise HominesError(f"{folder} holds an adapter_config.json; name an adapter as MODEL+{folder}")


def _check_files(rest: str) -> list[Path]:
    """The model's safetensors files; none where they are not on this machine yet. Raises HominesError where
    config.json describes a network of more parts than the files hold."""
    from huggingface_hub import try_to_load_from_cache

    folder = Path(rest)
    local = folder.is_dir()
    if not local:
        try:
            cached = try_to_load_from_cache(rest, "config.json")
        except ValueError:  # no name of the Hub, which the tokenizer's failure says
            return []
        if not isinstance(cached, str):
            return []
        folder = Path(cached).parent
    settings, files = model_folder.read_config(folder / "config.json"), model_folder.weight_files(folder)
    if local and not files:
        raise HominesError(
            f"cannot load {rest}: it holds no {model_folder.WEIGHTS}, or not all files that "
            f"{model_folder.INDEX} names; fetch it again"
        )
    if files:
        model_folder.check_repeats(settings, files, rest)
    return files


def _find_adapter(name: str, model: str) -> Adapter:
    """The adapter of this name, its files checked; said on standard error where it is the Hub's."""
    adapter = find_adapter(name)
    if adapter.commit:
        print(f"adapter {name} from the Hub, commit {adapter.commit}", file=sys.stderr)
    model_folder.check_adapter(adapter.folder)
    note_base(adapter, name, model)
    return adapter


def _put_adapter(net: Any, name: str, adapter: Adapter) -> Any:
    """The network with an adapter, merged into its weights unless these have four bits."""
    from peft import PeftModel

    try:
        whole: Any = PeftModel.from_pretrained(net, str(adapter.folder))
        return whole if four_bits(net) else whole.merge_and_unload()
    except Exception as failure:
        raise HominesError(
            f"cannot put adapter {name} on this model: {first_line(failure)}; name the model that it was "
            "trained on"
        ) from failure


def pick_device(device: str | None) -> str:
    """The requested device if this machine has it; None: cuda, else mps, else cpu. Each of several processes
    takes its own GPU (`processes.own`)."""
    have = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if device is None:
        return processes.own(have[0])
    if device.partition(":")[0] not in have:
        raise HominesError(f"no device {device!r} on this machine; there are {', '.join(have)}")
    return processes.own(device)


def model_files(folder: Path) -> list[Path]:
    """The files of a model folder that affect its answers: weights, config, tokenizer, template."""
    kinds = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
    return [path for kind in kinds for path in folder.glob(kind) if path.name != "homines.json"]


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 (first 16 hex digits) over files in name order."""
    whole = hashlib.sha256()
    for file in sorted(files):
        whole.update(file.name.encode())
        with open(file, "rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()[:16]


def first_line(failure: BaseException) -> str:
    """An exception as one line for a person."""
    text = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {text[0][:300]}" if text else type(failure).__name__
