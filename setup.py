"""What of the clone goes into an installed package: the dashboard and its assets as `attention.app`, and the extras.

The rest stands in pyproject.toml; what is required stands once, in requirements.txt, under the name of its extra.
"""

from pathlib import Path

from setuptools import find_packages, setup

DASHBOARD = {"attention.app": ".", "attention.app.pages": "pages", "attention.app.assets": "assets"}


def requirements() -> dict[str, list[str]]:
    """The lines of requirements.txt and of requirements-ray.txt by the heading above them."""
    found: dict[str, list[str]] = {}
    for file in ("requirements.txt", "requirements-ray.txt"):
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                found[name := line[3:].partition(":")[0]] = []
            elif line and not line.startswith("#"):
                found[name].append(line)
    return found


wanted = requirements()
setup(
    packages=[*find_packages(include=["attention", "attention.*"]), *DASHBOARD],
    package_dir=DASHBOARD,
    package_data={
        "attention.app": [".streamlit/config.toml"],
        "attention.app.assets": ["*", "*/*"],
        "attention.charts": ["*.js", "*.css"],
        "attention.figure_files": ["*.js", "fonts/*", "plotly/*"],
        "attention.serving": ["*.css", "*.js"],
        "attention.ui": ["*.css", "*.js"],
        "attention.report": ["*.html"],
    },
    install_requires=wanted.pop("core"),
    extras_require=wanted,
)
