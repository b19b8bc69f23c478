"""The house as data: which module lives in which room, and on which floor."""

# The house, from the ground up. A room imports only from floors below its own, which stand before
# it in this list, and rooms of one floor do not see each other. Rows of a room work the same way.
# Modules without a room stand on the ground floor or are programs.
FLOORS: list[dict[str, list[set[str]]]] = [
    {
        "": [
            {
                *("types", "limits", "counters", "environment", "spaces"),
                *("math", "machine", "faults", "own_packages", "statistics"),
            },
            {"config", "shapes", "mesh"},
        ]
    },
    {
        "host": [
            {"array_files", "text_files", "compile_cache", "memory_limits"},
            {"host_memory", "this_machine", "memory_use"},
        ]
    },
    {
        "media": [
            {"video", "panels"},
            {"curves", "cells"},
            {"views"},
            {"dream_films"},
        ]
    },
    {"nn.plain": [{"convs", "products", "batches"}]},
    {"nn.cpu": [{"convs", "products", "blocks"}]},
    {
        "nn": [{"forms", "dists", "optim"}, {"layers"}, {"transformer", "heads", "causal"}],
        "data": [
            {"source", "order", "ahead"},
            {"runs", "unpacked"},
            {"clips"},
            {"dataset"},
        ],
        "replay": [{"ring", "blocks"}, {"windows"}, {"samplers"}, {"recorded_windows"}],
        "outputs": [
            {"say"},
            {
                *("sink", "episode_sums", "averages", "pictures", "formats"),
                *("evaluation_progress", "run_ids", "findings"),
            },
            {"elapsed", "live_view", "checks", "fit_progress"},
            {"jsonl", "tensorboard", "progress", "wandb_shaped", "mlflow", "guarded"},
            {"trackers", "journal_state", "stopwatch"},
            {"sinks", "diagnosis"},
            {"journal"},
        ],
    },
    {
        "world_model": [
            {
                *("latents", "moments", "motion", "categoricals", "preference", "clip_orders"),
                *("finite_scalars", "token_frames", "rank_metrics"),
            },
            {"tokenizer_networks", "code_averages", "image_metrics"},
            {
                *("grids", "quantizers", "token_slots"),
                *("resnet", "token_reader", "frame_score", "temporal_distance"),
            },
            {"rssm", "encoders", "decoders", "tokenizer", "token_dynamics"},
            {"relative_errors", "token_dreams", "video_reward"},
        ],
        "behavior": [{"actor_critic", "trajectories"}, {"metrics", "ppo"}],
    },
    {
        "agents.dreamer": [
            {"config", "state"},
            {"networks", "sizes"},
            {"acting", "batches", "noise", "transfer"},
            {"model", "calibration"},
            {"losses"},
            {"diagnosis"},
            {"reports"},
            {"stages", "world_model_first"},
            {"accumulation"},
            {"agent"},
        ],
        "pretraining": [
            {
                *("config", "tokenizer_config", "dynamics_config"),
                *("image_keys", "token_pictures", "token_clips"),
            },
            {"reward_config"},
            {"reward_measures", "progress_pictures", "dynamics_measures"},
            {"reward", "tokenizer", "dynamics_pictures"},
            {"dynamics"},
            {"by_name"},
        ],
        "run": [
            {"checksums", "manifest", "layout", "history"},
            {"checkpoint", "initial_weights"},
            {"device_functions"},
            {"programs"},
            {"state", "background_save", "spaces_record", "best"},
            {"stored_ring"},
            {"resume", "fit"},
            {"preflight"},
        ],
        "agents.on_policy": [
            {"config", "features", "state"},
            {"networks", "experiences", "memory"},
            {"acting", "learning"},
            {"agent"},
        ],
    },
    {
        "agents.ppo": [{"config"}, {"features"}, {"agent"}],
        "agents.hybrid": [{"config"}, {"features"}, {"world_model"}, {"model"}, {"agent"}],
        "agents.tokens": [
            {"config"},
            {"world"},
            {"features", "model", "reports"},
            {"imagination"},
            {"agent"},
        ],
    },
    {"agents": [{"by_name", "learned_reward"}]},
    {
        "loops": [
            {"train", "evaluate", "stretches", "fit_programs"},
            {"dreams", "fit"},
            {"dream_returns"},
            {"dream_errors"},
        ],
        "playable": [
            {"graphs", "moments", "runtime", "server"},
            {"starts", "session"},
            {"folder", "answers"},
        ],
        "reports": [
            {"files", "metric_names", "markup", "curves", "references"},
            {"event_files", "evaluations"},
            {"run_record"},
            {"groups"},
            {"charts", "films", "verdicts"},
            {"score_tables", "media_sections"},
            {"configurations", "dream_tables", "findings"},
            {"headline"},
            {"page"},
        ],
    },
    {
        "commands": [
            {"hints", "changes", "report_names", "recorded_data"},
            {"flags"},
            {"flag_modes"},
            {"fit_setup"},
            {"sources", "reward_source"},
            {"options"},
            {"agent_of", "restored_fits"},
            {
                *("training_recordings", "restored_agents", "evaluation_players", "sizing"),
                *("evaluation_results", "native_forms", "process"),
            },
            {"initial_agents", "evaluation_films", "dream_views", "chosen_checkpoints"},
            {"dream_files", "browser_page"},
            {"prepared"},
            {"train", "evaluate", "dream", "export", "play", "record", "report", "fit"},
            {"dry_run"},
        ]
    },
    {"api": [{"moments", "programs"}, {"loaded"}, {"training"}]},
    {
        "sweeps": [
            {"plan"},
            {"results", "pool", "search"},
            {"ray_pool", "summary", "schedule"},
        ]
    },
    {"": [{"main", "play", "sweep"}]},
]
# Module -> (floor, room, row).
PLACE = {
    f"{room}.{name}".lstrip("."): (floor, room, row)
    for floor, rooms in enumerate(FLOORS)
    for room, column in rooms.items()
    for row, names in enumerate(column)
    for name in names
}
