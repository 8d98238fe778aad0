"""Certifying again: an earlier certificate is read, its form is asked anew, and the two are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from homines.certificates.certificate import Certificate, read_certificate
from homines.certificates.comparison import Comparison, check_kinds, compare
from homines.certificates.issue import Issue, certify
from homines.certificates.plan import COMPARISON, FILE, CertificatePlan, is_finished, noted_comparison
from homines.core.progress import QUIET, Follow
from homines.core.run_folder import write_json
from homines.core.types import HominesError, Model


def read_earlier(plan: CertificatePlan) -> tuple[CertificatePlan, Certificate | None]:
    """The plan with the form of the certificate that it is held against, and that certificate; None without.

    Raises HominesError for a file that is none, and for one of a model that is reached in another way. Of the
    file only the form is taken: which model is asked is the caller's to say.
    """
    if plan.against is None:
        return plan, None
    earlier = read_certificate(plan.against)
    check_kinds(earlier, plan.model)
    return replace(plan, quick=earlier.quick), earlier


def certify_plan(
    plan: CertificatePlan,
    folder: Path,
    earlier: Certificate | None,
    *,
    loaded: Model | None = None,
    command: str = "",
    follow: Follow = QUIET,
) -> tuple[Issue, Comparison | None]:
    """Certify, and compare with `earlier` where there is one; comparison.json is written into the folder.

    Raises HominesError where `folder` is that of a certificate, or holds a finished comparison: what is asked
    again must not be read from an earlier answer.
    """
    if earlier is None:
        return certify(plan, folder, loaded=loaded, command=command, follow=follow), None
    _check_folder(folder, earlier)
    issue = certify(plan, folder, loaded=loaded, against=earlier.sha256, command=command, follow=follow)
    comparison = compare(earlier, issue.certificate, plan.tolerance)
    write_json(folder, COMPARISON, {**comparison.to_json(), "finished": not issue.certificate.failed})
    return issue, comparison


def _check_folder(folder: Path, earlier: Certificate) -> None:
    noted = noted_comparison(folder)
    rule = "what is asked again must not be read from an earlier answer; give another --out, or none"
    if noted is None and (folder / FILE).exists():
        raise HominesError(f"{folder} holds a certificate already; {rule}")
    if is_finished(noted):
        raise HominesError(f"{folder} holds a finished comparison; {rule}")
    if noted is not None and earlier.sha256 not in str(noted.get("against")):
        raise HominesError(f"{folder} holds answers for another certificate; {rule}")
