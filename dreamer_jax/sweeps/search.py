"""Which settings a sweep tries: all of a grid, or those that Optuna suggests."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dreamer_jax.sweeps.plan import Choices, Range, Setting, Sweep, digest, grid

STORE = "study.db"  # in the folder of the sweep; optuna-dashboard opens it
NAME = "setting"  # attribute of a trial that was not suggested


class Settings(Protocol):
    """The settings of a sweep, one after the other."""

    total: int

    def tried(self) -> list[Setting]:
        """All that were given so far, in earlier calls of the sweep as well."""
        ...

    def next(self) -> Setting | None:
        """One more; None after the last."""
        ...

    def tell(self, setting: Setting, score: float | None) -> None:
        """What came of it: the mean score over its seeds; None if runs failed."""
        ...


class Grid:
    """Every combination of values."""

    def __init__(self, sweep: Sweep) -> None:
        self._all = list(grid(sweep.choices))
        self._given = 0
        self.total = len(self._all)

    def tried(self) -> list[Setting]:
        """See `Settings`."""
        return self._all[: self._given]

    def next(self) -> Setting | None:
        """See `Settings`."""
        if self._given == self.total:
            return None
        self._given += 1
        return self._all[self._given - 1]

    def tell(self, setting: Setting, score: float | None) -> None:
        """Ignored."""


class Search:
    """The trials of a study of Optuna. Those that a killed sweep left open come first."""

    def __init__(self, sweep: Sweep) -> None:
        """Opens the study, or begins it.

        ValueError in one line where Optuna is missing, or the study has chosen among other values.
        """
        self._choices, self.total = sweep.choices, sweep.search
        self._study = study(sweep)
        if self._study is None:
            raise ValueError('--search needs its library: pip install -e ".[sweep]"')
        require_same_choices(self._study, self._choices)
        self._open = list[Setting]()
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.is_finished() or trial.params.keys() != self._choices.keys():
                continue
            self._open.append(setting_of(trial.number, trial.params))

    def tried(self) -> list[Setting]:
        """See `Settings`."""
        return [
            setting_of(trial.number, trial.params)
            for trial in self._study.get_trials(deepcopy=False)
            if trial.params.keys() == self._choices.keys()
        ]

    def next(self) -> Setting | None:
        """See `Settings`."""
        if self._open:
            return self._open.pop(0)
        if len(self.tried()) >= self.total:
            return None
        trial = self._study.ask(fixed_distributions=distributions(self._choices))
        return setting_of(trial.number, trial.params)

    def tell(self, setting: Setting, score: float | None) -> None:
        """See `Settings`."""
        from optuna.trial import TrialState

        failed = {} if score is not None and math.isfinite(score) else {"state": TrialState.FAIL}
        number = number_of(setting)
        self._study.tell(number, None if failed else score, skip_if_finished=True, **failed)


def settings(sweep: Sweep) -> Settings:
    """The settings that the sweep asks for. Raises ValueError as `Search`."""
    return Search(sweep) if sweep.search else Grid(sweep)


def require_same_choices(study: Any, choices: Mapping[str, Choices]) -> None:
    """ValueError where trials chose among other values: Optuna lets ranges change, lists not."""
    from optuna.distributions import check_distribution_compatibility

    asked = distributions(choices)
    for trial in study.get_trials(deepcopy=False):
        for path in asked.keys() & trial.distributions.keys():
            try:
                check_distribution_compatibility(trial.distributions[path], asked[path])
            except ValueError:
                text = f"--set {path}: {study.study_name} has chosen among other values"
                raise ValueError(f"{text}; use another --name") from None


def study(sweep: Sweep, name: str = "") -> Any:
    """A study in the folder of the sweep, with its name unless given; None without Optuna."""
    try:
        import optuna
    except ImportError:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sweep.folder.mkdir(parents=True, exist_ok=True)
    found = optuna.create_study(
        study_name=name or sweep.folder.name,
        storage=storage(sweep.folder),
        direction="minimize" if sweep.minimize else "maximize",
        load_if_exists=True,
    )
    # The same seed after a resume would suggest the same again.
    found.sampler = optuna.samplers.TPESampler(seed=len(found.get_trials(deepcopy=False)))
    return found


def storage(folder: Path) -> Any:
    """The database of all studies in a folder; without a pool, each use closes its connection."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    url = f"sqlite:///{(folder / STORE).absolute()}"
    return RDBStorage(url, engine_kwargs={"poolclass": NullPool})


def distributions(choices: Mapping[str, Choices]) -> dict[str, Any]:
    """The distributions of Optuna that the choices are drawn from."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found = dict[str, Any]()
    for path, choice in choices.items():
        if not isinstance(choice, Range):
            found[path] = CategoricalDistribution(choice)
        elif choice.whole:
            found[path] = IntDistribution(int(choice.low), int(choice.high))
        else:
            found[path] = FloatDistribution(choice.low, choice.high, log=choice.log)
    return found


class Told(NamedTuple):
    """A setting of a grid, with its score."""

    setting: Setting
    score: float


def keep_grid(sweep: Sweep, told: list[Told]) -> None:
    """Adds the settings of a grid to a study, so that a dashboard shows them; without Optuna none.

    Those that it has, it keeps. Optuna lets no study choose among other values later, so a grid
    that was changed has a study of its own.
    """
    changed = f"{sweep.folder.name}-{digest(repr(dict(sweep.choices)))}"
    for name in (sweep.folder.name, changed):
        if not sweep.choices or (kept := study(sweep, name)) is None:
            return
        try:
            return add_trials(kept, sweep.choices, told)
        except ValueError:
            continue


def add_trials(kept: Any, choices: Mapping[str, Choices], told: list[Told]) -> None:
    """Adds the settings that a study lacks; ValueError where it has chosen among other values."""
    from optuna.trial import create_trial

    known = {trial.user_attrs.get(NAME) for trial in kept.get_trials(deepcopy=False)}
    for setting, score in told:
        if setting.name not in known and math.isfinite(score):
            made = create_trial(
                params=dict(setting.values),
                distributions=distributions(choices),
                value=score,
                user_attrs={NAME: setting.name},
            )
            kept.add_trial(made)


def setting_of(number: int, values: Mapping[str, Any]) -> Setting:
    """The setting of a trial."""
    return Setting(f"trial{number:04}", {path: str(value) for path, value in values.items()})


def number_of(setting: Setting) -> int:
    """The trial of a setting."""
    return int(setting.name.removeprefix("trial"))
