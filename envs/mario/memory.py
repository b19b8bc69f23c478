"""Reads the memory of Super Mario Bros., and starts a stage."""

from typing import NamedTuple

from envs.mario.nes import START, Emulator

WORLDS, STAGES = 8, 4
SECRET_AREA = {1, 2, 4, 7}  # worlds whose second stage begins with an extra area, a pipe

# Addresses.
ACTION = 0x0E  # state of Mario: SLIDING, LEAVING and so on
PAGE, COLUMN = 0x6D, 0x86  # Mario's position in the area: 256 * page + column, in pixels
SCREEN, ROW = 0xB5, 0xCE  # Mario's height: 0 above the screen, 1 on it, more below; and pixels
CLOUDS = 0x743  # not 0 in cloud bonus areas, where falling is safe
AREA_KIND, AREA_NUMBER = 0x74E, 0x74F  # of the current area
LIVES = 0x75A  # lives left after this one
STAGE, WORLD, NEXT_AREA = 0x75C, 0x75F, 0x760  # counted from 0
MODE, TASK = 0x770, 0x772  # what the program does, and which step of it
CURTAIN = 0x7A0  # remaining time of a black screen, in units of 21 frames
SCORE, COINS, CLOCK = (0x7DD, 6), (0x7ED, 2), (0x7F8, 3)  # decimal digits: first address, count

TITLE, PLAYING, WON = 0, 1, 2  # values of MODE; WON follows the axe of a castle
RUNNING = 3  # value of TASK while a stage is shown
SLIDING, LEAVING = 4, 5  # values of ACTION: down the flagpole, into the castle
LOST, CONTROLLED, DYING = 6, 8, 11  # from CONTROLLED on, buttons work or Mario changes

LONGEST_START = 600  # frames; the program takes 81 to 112
LONGEST_SCENE = 10_000  # frames; there is a message between two worlds


class MarioReading(NamedTuple):
    """The state of the game at one frame."""

    world: int  # 1 to 8
    stage: int  # 1 to 4
    area: int  # part of the stage: the surface, a room below, clouds above
    x: int  # pixels from the left end of the area
    clock: int  # time left, in units of 24 frames
    coins: int  # 0 to 99; the hundredth resets it and adds a life
    score: int
    lives: int  # left after this one
    dead: bool  # this life is lost, or Mario is falling to death
    cleared: bool  # Mario has reached the flag, or the axe of a castle
    playable: bool  # buttons have an effect, or will soon


def read(ram: memoryview) -> MarioReading:
    """Reads the console's memory."""
    mode, action = ram[MODE], ram[ACTION]
    falling = ram[SCREEN] > 1 and ram[CLOUDS] == 0
    running = mode == PLAYING and ram[TASK] == RUNNING
    return MarioReading(
        world=ram[WORLD] + 1,
        stage=ram[STAGE] + 1,
        area=ram[AREA_KIND] << 8 | ram[AREA_NUMBER],
        x=ram[PAGE] << 8 | ram[COLUMN],
        clock=_decimal(ram, *CLOCK),
        coins=_decimal(ram, *COINS),
        score=10 * _decimal(ram, *SCORE),
        lives=ram[LIVES],
        dead=running and (falling or action in (LOST, DYING)),
        cleared=mode == WON or (running and action in (SLIDING, LEAVING)),
        playable=running and action >= CONTROLLED,
    )


def enter_stage(emulator: Emulator, world: int, stage: int) -> None:
    """Runs a console from power-on to the first playable frame of a stage.

    Raises:
        ValueError: the ROM does not behave like Super Mario Bros.
    """
    ram = emulator.ram
    area = stage - 1 + (world in SECRET_AREA and stage > 1)
    for _ in range(LONGEST_START):
        reading = read(ram)
        if reading.playable:
            break
        menu = ram[MODE] == TITLE and ram[TASK] == RUNNING
        if menu:
            # The program loads these values when the game begins.
            ram[WORLD], ram[STAGE], ram[NEXT_AREA] = world - 1, stage - 1, area
        if ram[CURTAIN] > 1:
            ram[CURTAIN] = 1  # skips most of the black screen
        emulator.frame(START if menu else 0)
    else:
        raise ValueError("the ROM does not start like Super Mario Bros.: no stage was reached")
    if (reading.world, reading.stage) != (world, stage):
        raise ValueError(
            f"the ROM began stage {reading.world}-{reading.stage} instead of {world}-{stage}"
        )


def _decimal(ram: memoryview, first: int, count: int) -> int:
    value = 0
    for address in range(first, first + count):
        value = 10 * value + ram[address]
    return value
