"""What the memory of Super Mario Bros. says, and how the game is led to the start of a stage."""

from typing import NamedTuple

from envs.mario.nes import START, Emulator

WORLDS, STAGES = 8, 4
SECRET_AREA = {1, 2, 4, 7}  # worlds whose second stage begins with a walk into a pipe, an own area

# Addresses.
ACTION = 0x0E  # what the game does with Mario: ENTERING, SLIDING and so on
PAGE, COLUMN = 0x6D, 0x86  # Mario's place in the area: 256 * page + column, in pixels
SCREEN, ROW = 0xB5, 0xCE  # Mario's height: 0 above the picture, 1 in it, more below; and pixels
CLOUDS = 0x743  # not 0 in bonus areas made of clouds, from which one falls without dying
AREA_KIND, AREA_NUMBER = 0x74E, 0x74F  # of the area that is shown
LIVES = 0x75A  # lives left after this one
STAGE, WORLD, NEXT_AREA = 0x75C, 0x75F, 0x760  # counted from 0
MODE, TASK = 0x770, 0x772  # what the program does, and which part of it
CURTAIN = 0x7A0  # time that a black screen stays, in units of 21 frames
SCORE, COINS, CLOCK = (0x7DD, 6), (0x7ED, 2), (0x7F8, 3)  # decimal digits: first one, number

TITLE, PLAYING, WON = 0, 1, 2  # values of MODE; WON follows after the axe of a castle
RUNNING = 3  # value of TASK while a stage is shown
SLIDING, LEAVING = 4, 5  # values of ACTION: down the flagpole, into the castle
LOST, CONTROLLED, DYING = 6, 8, 11  # from CONTROLLED on the buttons do something or Mario changes

LONGEST_START = 600  # frames; the program takes 81 to 112
LONGEST_SCENE = 10_000  # frames; between two worlds it shows a message


class MarioReading(NamedTuple):
    """What the memory says about one frame."""

    world: int  # 1 to 8
    stage: int  # 1 to 4
    area: int  # which part of the stage: the way itself, a room below it, clouds above it
    x: int  # pixels from the left end of the area
    clock: int  # what is left of the time, in units of 24 frames
    coins: int  # 0 to 99; then they begin again and a life is added
    score: int
    lives: int  # left after this one
    dead: bool  # this life is lost, or Mario falls and it will be
    cleared: bool  # Mario has reached the flag, or the axe of a castle
    playable: bool  # the buttons have an effect, or will have in a moment


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
    """Leads a console that was just switched on to the first playable frame of a stage.

    Raises:
        ValueError: the program does not behave like Super Mario Bros.
    """
    ram = emulator.ram
    area = stage - 1 + (world in SECRET_AREA and stage > 1)
    for _ in range(LONGEST_START):
        reading = read(ram)
        if reading.playable:
            break
        menu = ram[MODE] == TITLE and ram[TASK] == RUNNING
        if menu:
            # The program loads what is written here when the game begins.
            ram[WORLD], ram[STAGE], ram[NEXT_AREA] = world - 1, stage - 1, area
        if ram[CURTAIN] > 1:
            ram[CURTAIN] = 1  # nobody learns anything from the black screen
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
