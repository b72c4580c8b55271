"""`tvae jobs`: the jobs of runs, and an end to them."""

from __future__ import annotations

import argparse

from tvae_core.cli.reporting import tell
from tvae_core.work.jobs import JobOfRun, JobsRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tvae jobs`."""
    JobsRequest.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    jobs = JobsRequest.of(arguments).run(cancelled=arguments.cancelled)
    lines = [_line(one) for one in jobs] or ["no run here was submitted as a job"]
    facts = [{"run": one.run.path, "job": one.job, "slurm": one.slurm} for one in jobs]
    tell(arguments, facts, *lines)
    return 0


def _line(one: JobOfRun) -> str:
    planned = f" of {one.run.epochs_planned}" if one.run.epochs_planned else ""
    best = "" if one.run.best_elbo is None else f", ELBO {one.run.best_elbo:.1f}"
    return f"{one.run.path}: {one.words}; {one.run.epochs}{planned} epochs{best}"
