"""The report on the command line: of a picture and a network, or of the result of a survey."""

from pathlib import Path
from typing import TYPE_CHECKING

from attention import survey
from attention.observe import observe_file
from attention.records import GatescopeError, Outputs
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
    device: "torch.device | None" = None,
) -> str:
    """Write the report of a picture or of a survey's result; says what came of it. Raises GatescopeError."""
    if not source.is_file():
        raise ReportError(f"There is no file {source}; a picture, or the Parquet file of a survey, is allowed.")
    document = (
        _of_survey(source, model, random=random, outputs=outputs)
        if source.suffix == ".parquet"
        else _of_picture(source, model, random=random, outputs=outputs, device=device)
    )
    try:
        out.write_text(html(document), encoding="utf-8")
    except OSError as error:
        raise ReportError(
            f"{out} cannot be written: {error.strerror}; a file in a folder that exists is allowed."
        ) from None
    return f"The report is in {out}."


def _of_survey(source: Path, model: str | None, *, random: bool, outputs: Outputs | None) -> Document:
    if model or random or outputs:
        raise ReportError(
            "The result of a survey names its network; --model, --random and --outputs are allowed for a picture."
        )
    return surveyed(survey.LoadedSurvey(survey.read(source)))


def _of_picture(
    source: Path, model: str | None, *, random: bool, outputs: Outputs | None, device: "torch.device | None"
) -> Document:
    if not model:
        raise ReportError("A picture needs a network; --model is allowed to be a name of the zoo or a weight file.")
    observation = observe_file(source, model, random=random, outputs=outputs, device=device)
    _ = observation.usual_gates  # the report has them where they are known
    return report_of(observation)
