"""Do environments of other packages train? python -m experiments.packages

Trains each environment below for 300 steps with the smallest preset, resumes it up to step 500 and
evaluates two episodes, all by the command line. Prints a table in Markdown: how observations are
read, the three exit codes, and what was said last if one is not 0. An environment whose package is
missing tells how to install it. Each takes one to three minutes of CPU time.

--only=minigrid,box2d takes the groups that are named.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Group -> command lines without what is common to all.
GROUPS = {
    "minigrid": [
        "--env=gym:MiniGrid-Empty-5x5-v0 --set env.kinds=image=symbols",
        "--env=gym:MiniGrid-FourRooms-v0",
        "--env=gym:MiniGrid-DoorKey-8x8-v0 --set env.ignore=mission",
        "--env=gym:MiniGrid-LavaGapS7-v0 --set env.wrap=minigrid.wrappers:RGBImgObsWrapper",
        "--env=gym:BabyAI-GoToLocal-v0",
    ],
    "box2d": [
        "--env=gym:LunarLander-v3 --set env.kwargs.continuous=true",
        "--env=gym:CarRacing-v3",
    ],
    "mujoco": ["--env=gym:HalfCheetah-v5", "--env=gym:Ant-v5 --set env.action_repeat=2"],
    "dm_control": [
        "--env=gym:dm_control/cartpole-balance-v0",
        "--env=gym:dm_control/walker-walk-v0",
    ],
    "ale": [
        "--env=gym:ALE/Breakout-v5 --set env.frame_stack=4 --set env.reward_sign=true",
        "--env=gym:PongNoFrameskip-v4 --set env.action_repeat=4",
    ],
    "levels": ["--env=gym:procgen:procgen-coinrun-v0", "--env=gym:crafter:CrafterReward-v1"],
    "goals": ["--env=gym:PandaReach-v3", "--env=gym:highway-v0"],
    "all": [
        "--env=gym:experiments.random_environments:Random-v0 --set env.kwargs.draw=0",
        '--env=gym:FrozenLake-v1 --set env.kwargs={"is_slippery":false}',
    ],
}
COMMON = (
    *("--config=debug", "--set=train.log_every=100", "--set=train.prefill=100"),
    *("--set=train.ratio=4", "--set=env.timeout=300"),
)
FIRST, LAST = 300, 500  # steps
PATIENCE = 1_800  # seconds


def main() -> int:
    """Exit code 0 if every environment whose package is installed trains, resumes and plays."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("packages", description=__doc__, formatter_class=form)
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of environments")
    lines = [line for group in parser.parse_args().only.split(",") for line in GROUPS[group]]
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    print("| command | observations | train, resume, evaluate | |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")
        return max(tried(line, Path(folder) / str(i)) for i, line in enumerate(lines))


def tried(line: str, logdir: Path) -> int:
    """Prints the row of an environment; 1 if it is made but does not work."""
    given = line.split()
    trusted = [f"--set={x}" for x in given if x.startswith("env.wrap=")]
    env = [given[0], f"--logdir={logdir}"]
    done = [run(*given, *COMMON, f"--steps={FIRST}", f"--logdir={logdir}")]
    if not done[0].returncode:
        done.append(run(*env, *trusted, f"--steps={LAST}"))
        done.append(run(*env, *trusted, "--mode=eval", "--episodes=2"))
    codes = [each.returncode for each in done]
    said = done[-1].stderr.strip().splitlines()[-1] if any(codes) else ""
    read = re.search(r"^observes (.*)$", done[0].stderr, re.MULTILINE)
    cells = (f"`{line}`", read[1] if read else "", ", ".join(map(str, codes)), said)
    print(f"| {' | '.join(cells)} |", flush=True)
    return int(any(codes) and "pip install" not in said)


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """The command line with these flags."""
    command = [sys.executable, "-m", "dreamer_jax.main", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
