"""The report on the command line: of a picture and a network, or of the result of a survey."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention import files, survey
from attention.cli.naming import Own, observe
from attention.records import Band, GatescopeError, Outputs
from attention.report.document import Document, html
from attention.report.observation import report_of
from attention.report.surveys import surveyed

if TYPE_CHECKING:
    import torch


class ReportError(GatescopeError):
    """A report that cannot be made: what it was asked of, or where it was to go."""


def report(
    source: Path,
    out: Path,
    *,
    model: str | None,
    random: bool,
    outputs: Outputs | None = None,
    bands: tuple[Band, ...] | None = None,
    device: "torch.device | None" = None,
    own: Own | None = None,
) -> str:
    """Write the report of a picture or of a survey's result; says what came of it. Raises GatescopeError."""
    if not source.is_file():
        raise ReportError(f"There is no file {source}; a picture, or the Parquet file of a survey, is allowed.")
    document = (
        _of_survey(
            source,
            refused=model or random or outputs or bands or any(value is not None for value in (own or {}).values()),
        )
        if source.suffix == ".parquet"
        else _of_picture(source, model, random=random, outputs=outputs, bands=bands, device=device, own=own)
    )
    files.write(out, html(document))
    return f"The report is in {out}."


def _of_survey(source: Path, *, refused: object) -> Document:
    if refused:
        raise ReportError("The result of a survey names its network; --model and what goes with it are for a picture.")
    return surveyed(survey.LoadedSurvey(survey.read(source)))


def _of_picture(source: Path, model: str | None, **how: Any) -> Document:
    if not model:
        raise ReportError(
            "A picture needs a network; --model is allowed to be a name of the zoo, a weight file, or code."
        )
    observation = observe(source, model, **how)
    _ = observation.usual_gates  # the report has them where they are known
    return report_of(observation)
