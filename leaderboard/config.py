"""Where things lie and how much is allowed: read from the environment once, handed on as a value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from poster.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024


@dataclass(frozen=True)
class Config:
    """Settings of the engine room. Times in seconds, sizes in bytes.

    data: what this machine writes: the SQLite file, weights, predictions. benchmarks: where the data sets lie, "" where none is installed.
    lease: how long a worker holds a job without a word; beat: how often it speaks. max_tries: claims after which a job that kills its
    worker fails. max_seconds: the longest evaluation. quota: submissions a user may make in ``quota_window``.
    keep_days: how long weights, and images in the cache, lie unused before they are removed. results_repo: the Hugging Face data set that
    results are published to, "" for none. analyses_sample: images that a submission's analyses (robustness, resolution, quality) use at most, 0 for
    no analyses; see leaderboard/analyses.py for their budget. All workers of one database must have the same lease.
    """

    data: Path = ROOT / "data"
    database_url: str = ""
    benchmarks: str = ""
    results_repo: str = ""
    endpoint: str = "https://huggingface.co"
    lease: float = 60.0
    beat: float = 15.0
    max_tries: int = 3
    max_seconds: float = 3600.0
    quota: int = 10
    quota_window: float = 86400.0
    max_checkpoint: int = 2048 * MIB
    probe_seconds: float = 120.0
    keep_days: float = 30.0
    analyses_sample: int = 500

    @property
    def url(self) -> str:
        """The database: FER_DATABASE_URL, else SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data.resolve() / 'leaderboard.db'}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Config:
        """FER_DATA, FER_DATABASE_URL, FER_BENCHMARKS, FER_RESULTS_REPO, HF_ENDPOINT and FER_LEASE, FER_BEAT, FER_MAX_TRIES, FER_MAX_SECONDS, FER_QUOTA,
        FER_KEEP_DAYS, FER_ANALYSES_SAMPLE.

        Raises InputError for a number that is none, an endpoint or a repository that cannot be one.
        """
        env = os.environ if environment is None else environment
        values: dict[str, object] = {}
        if folder := env.get("FER_DATA"):
            values["data"] = Path(folder)
        texts = {"database_url": "FER_DATABASE_URL", "benchmarks": "FER_BENCHMARKS", "results_repo": "FER_RESULTS_REPO", "endpoint": "HF_ENDPOINT"}
        values |= {field: env[name] for field, name in texts.items() if env.get(name)}
        for field in ("lease", "beat", "max_seconds", "max_tries", "quota", "keep_days", "analyses_sample"):
            name = f"FER_{field.upper()}"
            if text := env.get(name):
                kind = int if field in ("max_tries", "quota", "analyses_sample") else float
                try:
                    number = kind(text)
                except ValueError:
                    number = -1
                is_off = number == 0 and field == "analyses_sample"
                if not (0 < number < 1e9 or is_off):
                    least = "from 0 on" if field == "analyses_sample" else "above 0"
                    raise InputError(f"{name} is {text[:40]!r}; a {'whole number' if kind is int else 'number'} {least} is needed.")
                values[field] = number
        config = cls(**values)  # type: ignore[arg-type]
        if config.beat * 2 > config.lease:
            raise InputError(f"FER_BEAT ({config.beat:g} s) must be at most half of FER_LEASE ({config.lease:g} s); set FER_BEAT={config.lease / 4:g}.")
        if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[^\s?#]*)?", config.endpoint):
            raise InputError(f"HF_ENDPOINT is {config.endpoint[:60]!r}; the address of a Hugging Face Hub is needed, such as https://huggingface.co.")
        return config


def results_token(environment: Mapping[str, str] | None = None) -> str | None:
    """The token that may write the results: FER_RESULTS_TOKEN, else HF_TOKEN."""
    env = os.environ if environment is None else environment
    return env.get("FER_RESULTS_TOKEN") or env.get("HF_TOKEN") or None
