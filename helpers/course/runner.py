"""The lessons, run headless: each in its own kernel, in parallel where asked, resumable, with a record of what was found."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import psutil
from tqdm import tqdm

from helpers.course import facts
from helpers.course.execution import Outcome, execute, parameterised, write_notebook
from helpers.course.findings import RECORD_VARIABLE, read_json, read_records, write_json
from helpers.course.lessons import Lesson
from helpers.course.plan import FORMAT, Plan, RunOptions, make_plan
from helpers.course.report import write_index, write_page
from helpers.errors import InputError

MIRROR_VARIABLE = "GENOMICS_DATA_MIRROR"
Entry = dict[str, Any]
_PRODUCT = re.compile(r"\d{2}_\w+\.(ipynb|html)")


def run_course(options: RunOptions, on_lesson: Callable[[Entry], None] | None = None) -> list[Entry]:
    """Run lessons headless and write a report.

    Parameters
    ----------
    options : RunOptions
        What to run, on what, and where to write.
    on_lesson : callable, optional
        Called with a lesson's entry of run.json when the lesson is done.

    Returns
    -------
    list of dict
        `lesson`, `status` ("ok", "failed" or "skipped"), `seconds`, `peak_memory_mb` (1e6 bytes), `error`; in the course's order.

    Raises
    ------
    InputError
        Before anything runs, as `make_plan`, or if another run is writing to the same folder.

    Notes
    -----
    Writes to `options.out`: NN_name.ipynb and NN_name.html of each lesson, findings.json, run.json, index.html, and the lessons' own
    records in `records`. Each file is replaced whole, run.json after the lesson's other files: a run that is killed can be resumed.
    """
    plan = make_plan(options)
    plan.out.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(plan.out / ".lock", blocking=False, thread_local=False):
            if not options.resume:
                _clear(plan.out)
            return _run(plan, on_lesson)
    except filelock.Timeout as error:
        raise InputError(f"--out {plan.out}: another run is writing there: wait for it, or name another folder") from error


def _clear(out: Path) -> None:
    """Remove what an earlier run left in its folder, and nothing else."""
    if not (out / "run.json").exists():
        return
    for path in out.iterdir():
        if _PRODUCT.fullmatch(path.name) or path.name in ("run.json", "findings.json", "index.html"):
            path.unlink()
    shutil.rmtree(out / "records", ignore_errors=True)


def _run(plan: Plan, on_lesson: Callable[[Entry], None] | None) -> list[Entry]:
    """Fetch the data, run what is not done yet, and keep the state on disk up to date."""
    done, todo = dict(plan.done), [lesson for lesson in plan.lessons if lesson.number not in plan.done]
    digests = _fetch_data(plan, todo)
    _save(plan, done, digests)
    kernels: set[int] = set()
    with (
        tqdm(total=sum(lesson.code_cells for lesson in plan.lessons), unit="cell", desc="course", mininterval=_refresh()) as bar,
        ThreadPoolExecutor(plan.jobs) as pool,
    ):
        bar.update(sum(lesson.code_cells for lesson in plan.lessons if lesson.number in done))
        futures = {pool.submit(_run_lesson, plan, lesson, bar, kernels): lesson for lesson in todo}
        try:
            for future in as_completed(futures):
                entry = {"lesson": futures[future].number, **asdict(future.result())}
                done[entry["lesson"]] = entry
                _save(plan, done, digests)
                if on_lesson:
                    on_lesson(entry)
        except BaseException:
            _stop(pool, futures, kernels)
            raise
        finally:
            write_index(plan.out)
    return [done[lesson.number] for lesson in plan.lessons]


def _refresh() -> float:
    """Seconds between two looks of the bar: seldom in a log, where each is a line."""
    return 0.1 if sys.stderr.isatty() else 20.0


def _fetch_data(plan: Plan, todo: list[Lesson]) -> dict[str, list[str]]:
    """Fetch what has an address once, before lessons race for it; lessons make simulated data themselves, as they need them."""
    from helpers.data.datasets import load_dataset

    wanted = any(_admits(lesson, plan.manifest.name) for lesson in todo)
    if not wanted or all(entry.simulated is not None for entry in plan.manifest.files):
        return {}
    data = load_dataset(plan.dataset, mirror=plan.mirror)
    return {data.name: [data.digest]}


def _admits(lesson: Lesson, dataset: str) -> bool:
    """Whether a lesson's metadata let it run on a data set."""
    return lesson.datasets is None or dataset in lesson.datasets


def _run_lesson(plan: Plan, lesson: Lesson, bar: tqdm, kernels: set[int]) -> Outcome:
    """Run one lesson and move its notebook and page into place."""
    if not _admits(lesson, plan.manifest.name):
        bar.update(lesson.code_cells)
        return Outcome(
            "skipped", 0.0, 0.0, f"made for the data sets {', '.join(lesson.datasets or ())}, not for {plan.manifest.name}"
        )
    records = plan.out / "records" / lesson.number
    shutil.rmtree(records, ignore_errors=True)
    variables = {RECORD_VARIABLE: str(records), **({MIRROR_VARIABLE: plan.mirror} if plan.mirror else {})}
    cells_left = [lesson.code_cells]

    def cell_done() -> None:
        """Move the bar; the cell that parameters were put into is not counted."""
        if cells_left[0]:
            cells_left[0] -= 1
            bar.update(1)

    bar.set_description(lesson.name, refresh=False)
    notebook = parameterised(lesson.path, plan.parameters)
    outcome = execute(notebook, plan.notebooks, variables=variables, on_cell=cell_done, on_start=kernels.add)
    bar.update(cells_left[0])
    executed = plan.out / f"{lesson.name}.ipynb"
    write_notebook(notebook, executed)
    write_page(executed)
    return outcome


def _stop(pool: ThreadPoolExecutor, futures: dict[Future[Outcome], Lesson], kernels: set[int]) -> None:
    """End the kernels that this run started, until its threads have ended."""
    pool.shutdown(wait=False, cancel_futures=True)
    while not all(future.done() for future in futures):
        for pid in list(kernels):
            try:
                kernel = psutil.Process(pid)
                if kernel.ppid() == os.getpid():
                    kernel.kill()
            except psutil.Error:
                kernels.discard(pid)
        time.sleep(0.1)


def _save(plan: Plan, done: dict[str, Entry], digests: dict[str, list[str]]) -> None:
    """Write findings.json and run.json."""
    order = [lesson.number for lesson in plan.lessons]
    records = plan.out / "records"
    write_json(plan.out / "findings.json", [entry for number in order for entry in read_records(records / number)])
    used = {name: set(found) for name, found in digests.items()}
    for path in sorted(records.glob("*/data.json")):
        for name, found in read_json(path).items():
            used.setdefault(name, set()).update(found)
    state = {
        "made_by": FORMAT,
        "commit": plan.commit,
        "uncommitted_changes": facts.code_version()[1],
        "versions": facts.versions(),
        "machine": facts.machine(),
        "parameters": plan.asked,
        "dataset_digests": {name: sorted(found) for name, found in sorted(used.items())},
        "lessons": [done[number] for number in order if number in done],
    }
    write_json(plan.out / "run.json", state)
