"""Who answers: the name of a served model, the hash of its weights, the version, its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homines import __version__
from homines.core.types import HominesError, Model


def identity(model: Model, certificate: Path | None = None) -> dict[str, Any]:
    """What every reply says of its model.

    model         its name
    revision      hash of the weights and of each adapter, or the commit; None where it tells none
    sha256        of the file that a model of the catalogue was made from; None for others
    version       of homines
    certificate   sha256 of the certificate; None without one

    Raises HominesError for a certificate that cannot be read, and one of another model or revision.
    """
    facts: Mapping[str, Any] = model.provenance
    out = {
        "model": model.name,
        "revision": facts.get("revision"),
        "sha256": facts.get("sha256"),
        "version": __version__,
        "certificate": None,
    }
    if certificate is None:
        return out
    from homines.certificates.certificate import read_certificate

    read = read_certificate(certificate)
    own = (model.name, facts.get("revision"))
    theirs = (read.model, read.facts["model"]["revision"])
    if own != theirs:
        raise HominesError(
            f"{certificate} is of {theirs[0][:200]} ({str(theirs[1])[:80]}), and {own[0]} ({own[1]}) is "
            "served; give this model's own certificate, or leave out --certificate"
        )
    return {**out, "certificate": read.sha256}
