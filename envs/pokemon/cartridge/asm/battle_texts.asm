; Everything that is written in battles.

WildAppearsText:
    db "Wild <RAM>"
    dw wEnemyNick
    db "<LINE>appeared!<PROMPT>"
TrainerWantsText:
    db "<RAM>"
    dw wTrainerName
    db " sends out<LINE><RAM>"
    dw wEnemyNick
    db "!<PROMPT>"
NextText:
    db "<RAM>"
    dw wTrainerName
    db " sends out<LINE><RAM>"
    dw wEnemyNick
    db "!<PROMPT>"
GoText:
    db "Go! <RAM>"
    dw wBattleNick
    db "!<DONE>"
UsedText:
    db "<RAM>"
    dw wBattleNick
    db "<LINE>used <RAM>"
    dw wMove + MOVE_NAME
    db "!<DONE>"
EnemyUsedText:
    db "Enemy <RAM>"
    dw wEnemyNick
    db "<LINE>used <RAM>"
    dw wMove + MOVE_NAME
    db "!<DONE>"
MissedText:
    db "It missed!<PROMPT>"
StrongText:
    db "That hit home!<PROMPT>"
WeakText:
    db "That was not much.<PROMPT>"
FaintedText:
    db "<RAM>"
    dw wBattleNick
    db "<LINE>fainted!<PROMPT>"
EnemyFaintedText:
    db "Enemy <RAM>"
    dw wEnemyNick
    db "<LINE>fainted!<PROMPT>"
GainedText:
    db "<RAM>"
    dw wBattleNick
    db "<LINE>learned <RAM>"
    dw wNumberText
    db " EXP.!<PROMPT>"
GrewText:
    db "<RAM>"
    dw wBattleNick
    db " grew<LINE>to level <RAM>"
    dw wNumberText
    db "!<PROMPT>"
BeatTrainerText:
    db "ROBIN beat <RAM>"
    dw wTrainerName
    db "<LINE>and won <RAM>"
    dw wNumberText
    db "!<PROMPT>"
NoPowerText:
    db "No power left for<LINE>it!<PROMPT>"
DrinksText:
    db "<RAM>"
    dw wBattleNick
    db "<LINE>drank a POTION.<PROMPT>"
NetText:
    db "ROBIN threw a NET!<DONE>"
EscapedText:
    db "It broke free!<PROMPT>"
CaughtText:
    db "Got it! <RAM>"
    dw wEnemyNick
    db "<LINE>joins the team!<PROMPT>"
NotYoursText:
    db "Not at trainers'<LINE>critters!<DONE>"
NobodyText:
    db "Nobody else can<LINE>fight!<DONE>"
NoRunningText:
    db "No running from a<LINE>trainer!<DONE>"
CannotRunText:
    db "Cannot get away!<PROMPT>"
RanText:
    db "Got away safely!<PROMPT>"
