"""Lines that a training process prints."""

from __future__ import annotations

from tvae_core.progress import Epoch, Started, Step


def started_line(epochs: int = 3, first: int = 0) -> str:
    return Started("run", 100, epochs, "cpu", 1000, first).to_json()


def step_line(epoch: int, step: int, steps: int = 10) -> str:
    return Step(epoch, step, steps, -120.0, 50.0, 60.0).to_json()


def epoch_line(epoch: int, epochs: int = 3, elbo: float = -100.0) -> str:
    return Epoch(
        epoch=epoch,
        epochs=epochs,
        step=epoch,
        elbo=elbo + epoch,
        log_likelihood=-90.0,
        kl_pose=6.0,
        kl_angle=1.0,
        kl_shift=5.0,
        kl_content=4.0,
        validation_elbo=elbo + epoch - 1,
        learning_rate=1e-3,
        temperature=1.0,
        seconds=2.0,
        eta_s=10.0,
    ).to_json()
