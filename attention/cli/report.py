"""The report on the command line: of a picture and a network, or of the result of a survey."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention import files, survey
from attention.cli.naming import OwnCode, observe
from attention.records import GatescopeError
from attention.report.document import html
from attention.report.observation import report_of
from attention.report.surveys import survey_report

if TYPE_CHECKING:
    import torch


def report(
    source: Path, out: Path, *, model: str | None, device: "torch.device | None", own: OwnCode | None = None, **how: Any
) -> str:
    """Write the report of a picture or of a survey's result; says what came of it. `how` is what `naming.observe` takes
    besides. Raises GatescopeError."""
    if not source.is_file():
        raise GatescopeError(f"There is no file {source}; a picture, or the Parquet file of a survey, is allowed.")
    if source.suffix == ".parquet":
        if model or any(how.values()) or any(each is not None for each in (own or {}).values()):
            raise GatescopeError(
                "The result of a survey names its network; --model and what goes with it are for a picture."
            )
        document = survey_report(survey.LoadedSurvey(survey.read(source)))
    else:
        if not model:
            raise GatescopeError(
                "A picture needs a network; --model is allowed to be a name of the zoo, a weight file, or code."
            )
        observation = observe(source, model, device=device, own=own, **how)
        _ = observation.usual_gates  # the report has them where they are known
        document = report_of(observation)
    files.write(out, html(document))
    return f"The report is in {out}."
