"""The table of the numbers of healthy runs."""

from experiments.healthy_numbers import around, short, table

RUN = [
    {"step": 4_000, "world_model/kl": 9.0, "optimizer/loss": 8.0, "speed/updates_per_second": 3.0},
    {"step": 4_800, "world_model/kl": 4.0, "episode/mean_score": 10.0},
    {"step": 5_008, "world_model/kl": 2.0},
    {"step": 5_008, "world_model/seen/vector/vector": 12_345.6},
    {"step": 6_000, "world_model/kl": 1.0},
]


def test_values_are_means_over_the_last_tenth() -> None:
    assert around(RUN, "world_model/kl", step=5_000) == 3.0
    assert around(RUN, "world_model/kl", step=6_000) == 1.0
    assert around(RUN, "episode/mean_score", step=6_000) == 10.0  # its newest line
    assert around(RUN, "world_model/kl", step=9_000) is None  # the run ended before
    assert around(RUN, "world_model/seen/vector/vector", step=4_000) is None
    assert [short(x) for x in (0.01234, 4.567, 12_345.6, 0.0, None)] == [
        *("0.0123", "4.57", "12,300", "0", "")
    ]


def test_a_run_has_columns_as_far_as_it_went() -> None:
    assert table({"a": RUN, "b": RUN[:1]}, steps=(4_000, 6_000)).splitlines() == [
        "| metric | a 4,000 | a 6,000 | b 4,000 |",
        "| --- | ---: | ---: | ---: |",
        "| `episode/mean_score` |  | 10 |  |",
        "| `world_model/kl` | 9 | 1 | 9 |",
        "| `world_model/seen/vector/vector` |  | 12,300 |  |",
        "| `optimizer/loss` | 8 | 8 | 8 |",
    ]
