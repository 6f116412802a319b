"""What a run of the course is asked to do, checked before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.course import facts
from helpers.course.findings import WORLDS, read_json
from helpers.course.lessons import Lesson, check_profile, notebooks_folder, select_lessons
from helpers.errors import InputError
from helpers.places import cache_folder

FORMAT = "course run 1"
DEFAULTS = {"lessons": None, "dataset": "simulated", "profile": "quick", "seeds": None, "first_seed": None, "world": None}


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked to do. None stands for the default, or with `resume` for what the interrupted run was asked.

    Parameters
    ----------
    out : Path
        Folder to write to.
    lessons : tuple of str
        Numbers or names; empty for all.
    dataset : str or None
        Name or file of a manifest (default "simulated").
    profile : str or None
        "smoke", "quick" (default) or "full".
    seeds, first_seed : int or None
        Passed to the lessons only if given.
    world : str or None
        "null" runs the experiments with the causes of their findings switched off.
    jobs : int
        How many lessons run at once.
    mirror : str or None
        Folder or address that stands in for the hosts of data.
    resume : bool
        Go on with an interrupted run in `out`.
    notebooks : Path or None
        Folder of the lessons.
    """

    out: Path
    lessons: tuple[str, ...] = ()
    dataset: str | None = None
    profile: str | None = None
    seeds: int | None = None
    first_seed: int | None = None
    world: str | None = None
    jobs: int = 1
    mirror: str | None = None
    resume: bool = False
    notebooks: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A run that has been checked.

    Parameters
    ----------
    out, notebooks : Path
        Where to write, and where the lessons are.
    lessons : list of Lesson
        In the order of the course.
    asked : dict
        What a resumed run must have been asked, too; goes into run.json.
    dataset : str
        What the lessons are given: the name, or the absolute path, of a manifest.
    manifest : Manifest
        That manifest.
    mirror : str or None
        As in the options.
    jobs : int
        As in the options.
    done : dict of str to dict
        By lesson number, the entries of run.json that an interrupted run left and that need not be made again.
    commit : str
        Of the code.
    """

    out: Path
    notebooks: Path
    lessons: list[Lesson]
    asked: dict[str, Any]
    dataset: str
    manifest: Any
    mirror: str | None
    jobs: int
    done: dict[str, dict[str, Any]]
    commit: str

    @property
    def parameters(self) -> dict[str, Any]:
        """What every lesson is given; what is None keeps the lesson's own default."""
        given = {key: self.asked[key] for key in ("profile", "seeds", "first_seed", "world")}
        return {"dataset": self.dataset, **{key: value for key, value in given.items() if value is not None}}


def make_plan(options: RunOptions) -> Plan:
    """Check everything about a run that can be checked before it starts.

    Parameters
    ----------
    options : RunOptions
        What was asked.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        For an unknown lesson, data set or profile, a number out of range, a folder or cache that cannot be used, or a resumed run that
        was asked something else before.
    """
    from helpers.data.manifests import load_manifest

    _check_numbers(options)
    cache_folder()
    notebooks = notebooks_folder(options.notebooks)
    out = _checked_out(options.out, notebooks)
    before = _interrupted(out) if options.resume else None
    asked = _merged(options, before["parameters"] if before else None)
    lessons = select_lessons(asked["lessons"] or (), notebooks)
    manifest = load_manifest(asked["dataset"])
    dataset, asked["dataset"] = _as_given(asked["dataset"]), manifest.name
    asked["lessons"] = [lesson.number for lesson in lessons]
    commit, _ = facts.code_version()
    if before:
        _check_same(before, asked, commit)
    done = {entry["lesson"]: entry for entry in before["lessons"] if entry["status"] != "failed"} if before else {}
    return Plan(out, notebooks, lessons, asked, dataset, manifest, options.mirror, options.jobs, done, commit)


def _check_numbers(options: RunOptions) -> None:
    """InputError for a profile, a world or a number that cannot be."""
    if options.profile is not None:
        check_profile(options.profile)
    if options.world is not None and options.world not in WORLDS:
        raise InputError(f"world {options.world!r} is unknown: choose 'default' or 'null'")
    for name, value, least in (("seeds", options.seeds, 1), ("first-seed", options.first_seed, 0), ("jobs", options.jobs, 1)):
        if value is not None and value < least:
            raise InputError(f"--{name} is {value}: it must be {least} or more")


def _checked_out(out: Path, notebooks: Path) -> Path:
    """Return the absolute folder to write to, if it can be one."""
    out = out.expanduser().resolve()
    if out == notebooks or notebooks in out.parents:
        raise InputError(f"--out {out} lies in the folder of the lessons, which would be overwritten: name another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: name a folder")
    return out


def _interrupted(out: Path) -> dict[str, Any] | None:
    """State that an interrupted run left, or None if there is none yet."""
    path = out / "run.json"
    if not path.exists():
        return None
    state = read_json(path)
    if not isinstance(state, dict) or state.get("made_by") != FORMAT:
        raise InputError(f"{path} is not from a run of the course that can be resumed: name another folder with --out")
    return state


def _merged(options: RunOptions, before: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is asked: what the options say, else what the interrupted run was asked, else the defaults."""
    given: dict[str, Any] = {key: getattr(options, key) for key in DEFAULTS}
    given["lessons"] = list(options.lessons) or None
    return {key: value if value is not None else (before or DEFAULTS)[key] for key, value in given.items()}


def _as_given(dataset: str) -> str:
    """Return the manifest as the lessons need it: their current folder is another one."""
    path = Path(dataset)
    return str(path.resolve()) if path.suffix in (".yml", ".yaml") and path.exists() else dataset


def _check_same(before: dict[str, Any], asked: dict[str, Any], commit: str) -> None:
    """InputError if the interrupted run was asked something else, or ran other code."""
    for key, now in {**asked, "commit": commit}.items():
        then = before["commit"] if key == "commit" else before["parameters"][key]
        if then != now:
            raise InputError(
                f"--resume: this run was started with {key} {then!r}, not {now!r}: ask the same, or start anew without --resume"
            )
