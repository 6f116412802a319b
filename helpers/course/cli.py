"""The command `course`."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from helpers.errors import InputError

app = typer.Typer(
    help="Run, build and check the lessons of Machine Learning in Genomics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="The data sets: what there is, what is in them, bring them here.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Lessons = Annotated[
    list[str] | None, typer.Argument(help="Numbers or names of lessons, such as 01; all of them if none is named.")
]
Notebooks = Annotated[Path | None, typer.Option(help="Folder of the lessons; by default that of the clone.")]
Jobs = Annotated[int, typer.Option(help="How many lessons run at once.")]
Mirror = Annotated[str | None, typer.Option(help="Folder or address that stands in for the hosts of real data.")]
DatasetName = Annotated[str, typer.Argument(help="Name of a data set, or a manifest.yml.")]

_SIGNS = {"ok": "✓", "failed": "✗", "skipped": "-", "wrong": "✗", "optional": "-"}


def main() -> None:
    """Run the command: errors of the user are one line on stderr and exit code 2, without a traceback."""
    try:
        app()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("helpers"):
            raise
        sys.stderr.write(
            f"error: the package {error.name!r} is not installed: pip install 'ml-in-genomics[run]', and see course check\n"
        )
        sys.exit(2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        where = f" ({error.filename})" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror}{where}: choose a place with room that you may write to, and run again\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; course run --resume goes on where it stopped\n")
        sys.exit(130)


def _lesson_line(entry: dict[str, Any]) -> str:
    """One line about a lesson that is done."""
    line = f"{_SIGNS[entry['status']]} {entry['lesson']} {entry['status']:8}{entry['seconds']:7.0f} s {entry['peak_memory_mb']:7.0f} MB"
    return line + (f"  {entry['error']}" if entry["error"] else "")


def _tell(entry: dict[str, Any]) -> None:
    """Say that a lesson is done, above the progress bar."""
    tqdm.write(_lesson_line(entry), file=sys.stdout)


@app.command()
def run(
    lessons: Lessons = None,
    dataset: Annotated[
        str | None, typer.Option(help="Name of a data set, or a manifest.yml; simulated if none is given.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="smoke, quick or full; quick if none is given.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many seeds; by default as each lesson has it.")] = None,
    first_seed: Annotated[int | None, typer.Option(help="The first seed; by default as each lesson has it.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("course_run"),
    jobs: Jobs = 1,
    mirror: Mirror = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out that was interrupted.")] = False,
    notebooks: Notebooks = None,
) -> None:
    """Run lessons headless and write a report: exit code 1 if a lesson failed."""
    from helpers.course.plan import RunOptions
    from helpers.course.runner import run_course

    options = RunOptions(out, tuple(lessons or ()), dataset, profile, seeds, first_seed, None, jobs, mirror, resume, notebooks)
    if (out / "run.json").exists() and not resume:
        typer.echo(f"replacing the earlier run in {out}", err=True)
    entries = run_course(options, _tell)
    typer.echo(f"report: {(out / 'index.html').resolve()}")
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)


@app.command()
def check(online: Annotated[bool, typer.Option("--online", help="Ask the hosts of real data, too.")] = False) -> None:
    """Say what is right and wrong with this environment, and what to do: exit code 1 if something is wrong."""
    from helpers.course.check import check_environment

    checks = check_environment(online=online)
    width = max(len(item.name) for item in checks)
    for item in checks:
        typer.echo(f"{_SIGNS[item.state]} {item.name:{width}}  {item.found}" + (f"\n  -> {item.cure}" if item.cure else ""))
    wrong = sum(item.state == "wrong" for item in checks)
    typer.echo(f"{wrong} wrong" if wrong else "all is well")
    if wrong:
        raise typer.Exit(1)


@app.command()
def build(
    lessons: Lessons = None,
    check_only: Annotated[bool, typer.Option("--check", help="Only compare sources and notebooks.")] = False,
    notebooks: Notebooks = None,
) -> None:
    """Make the committed notebooks from their sources: execute, clean, check, and write their findings."""
    from helpers.course.build import build_lesson
    from helpers.course.lessons import notebooks_folder
    from helpers.course.sources import disagreements, find_sources

    folder = notebooks_folder(notebooks)
    if check_only:
        problems = disagreements(folder)
        typer.echo("\n".join(problems) or "sources and notebooks agree")
        raise typer.Exit(1 if problems else 0)
    for name in find_sources(lessons or [], folder):
        outcome = build_lesson(name, folder)
        typer.echo(f"✓ {name}  {outcome.seconds:.0f} s  {outcome.peak_memory_mb:.0f} MB")


@app.command()
def student(
    lessons: Lessons = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("student"),
    notebooks: Notebooks = None,
) -> None:
    """Write copies of lessons without solutions and outputs."""
    from helpers.course.build import write_student
    from helpers.course.lessons import notebooks_folder, select_lessons

    for lesson in select_lessons(lessons or [], notebooks_folder(notebooks)):
        typer.echo(str(write_student(lesson.path, out)))


@app.command()
def nulls(
    lessons: Lessons = None,
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("course_run-nulls"),
    write: Annotated[bool, typer.Option("--write", help="Write the table to notebooks/nulls.md.")] = False,
    jobs: Jobs = 1,
    notebooks: Notebooks = None,
) -> None:
    """Run every finding in the world where its cause is switched off: exit code 1 if one holds there, or is not measured."""
    import pandas as pd

    from helpers.course.lessons import notebooks_folder
    from helpers.course.nulls import HEAD, run_nulls, write_nulls

    rows = run_nulls(lessons or [], out, jobs=jobs, notebooks=notebooks, on_lesson=_tell)
    typer.echo(pd.DataFrame([row.cells() for row in rows], columns=list(HEAD)).to_string(index=False))
    if write:
        write_nulls(rows, notebooks_folder(notebooks) / "nulls.md")
    failed = [row.id for row in rows if not row.passed]
    if failed:
        typer.echo(f"hold in their null world, or could not be measured: {', '.join(failed)}")
        raise typer.Exit(1)


@app.command()
def curves(
    dataset: Annotated[str, typer.Option(help="Name of a data set, or a manifest.yml.")] = "simulated",
    seeds: Annotated[int, typer.Option(help="How many seeds from each first one.")] = 3,
    first_seed: Annotated[list[int] | None, typer.Option(help="The first seed; may be given several times.")] = None,
    configurations: Annotated[int, typer.Option(help="How many trainings a seed.")] = 40,
    at_once: Annotated[int, typer.Option(help="How many trainings at the same time, with a thread each.")] = 2,
    address: Annotated[str, typer.Option(help="local, auto, or host:port of a Ray cluster.")] = "local",
    work: Annotated[Path, typer.Option(help="Folder of the records: the same command goes on from there.")] = Path(
        "course_curves"
    ),
    notebooks: Notebooks = None,
) -> None:
    """Train the configurations whose curves lesson 06 studies, and store the curves beside the lessons (about an hour)."""
    from helpers.course.lessons import notebooks_folder
    from helpers.course.tuning import store_curves, train_curves

    firsts = first_seed or [0]
    numbers = [first + number for first in firsts for number in range(seeds)]
    table = train_curves(dataset, numbers, work, configurations=configurations, at_once=at_once, address=address, progress=True)
    given = "".join(f" --first-seed {first}" for first in firsts)
    command = f"course curves --dataset {dataset} --seeds {seeds}{given} --configurations {configurations}"
    typer.echo(str(store_curves(table, notebooks_folder(notebooks) / "results", dataset=dataset, command=command)))


@app.command()
def readme(
    check_only: Annotated[bool, typer.Option("--check", help="Only look whether it is up to date.")] = False,
    notebooks: Notebooks = None,
) -> None:
    """Bring the made parts of README.md up to date, and the launch badges of the lessons."""
    from helpers.course.lessons import notebooks_folder
    from helpers.course.readme import refresh

    folder = notebooks_folder(notebooks)
    changed = refresh(folder.parent / "README.md", folder, check=check_only)
    if check_only and changed:
        typer.echo(f"not up to date: {', '.join(changed)}: course readme")
        raise typer.Exit(1)
    typer.echo(f"written: {', '.join(changed)}" if changed else "all is up to date")


@data_app.command("list")
def data_list() -> None:
    """List the data sets."""
    from helpers.data.datasets import list_datasets

    _show(list_datasets())


@data_app.command("describe")
def data_describe(dataset: DatasetName) -> None:
    """Say what a data set holds, where it comes from, and its licence."""
    from helpers.data.datasets import describe_dataset

    _show(describe_dataset(dataset))


@data_app.command("fetch")
def data_fetch(dataset: DatasetName, mirror: Mirror = None) -> None:
    """Bring the files of a data set here, and say where they are."""
    import pandas as pd

    from helpers.data.datasets import load_dataset

    data = load_dataset(dataset, mirror=mirror)
    _show(pd.DataFrame({"file": list(data.paths), "path": [str(path) for path in data.paths.values()]}))


@data_app.command("verify")
def data_verify(dataset: DatasetName) -> None:
    """Compare the files that are here with their checksums: exit code 1 if one is missing or changed."""
    from helpers.data.datasets import verify_dataset

    table = verify_dataset(dataset)
    _show(table)
    if table["status"].isin(["missing", "changed"]).any():
        raise typer.Exit(1)


def _show(content: object) -> None:
    """Print a table or a text."""
    typer.echo(content.to_string(index=False) if hasattr(content, "to_string") else str(content))


if __name__ == "__main__":
    main()
