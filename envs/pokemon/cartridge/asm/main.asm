; The whole program, in the order in which it lies in the cartridge.

include "constants.asm"
include "memory.asm"

include "boot.asm"
include "frame.asm"
include "screen.asm"
include "arithmetic.asm"
include "text.asm"
include "menu.asm"

include "rooms.asm"
include "walking.asm"
include "sprites.asm"
include "events.asm"
include "bag.asm"
include "party.asm"
include "levels.asm"
include "people.asm"
include "gate.asm"
include "start_menu.asm"
include "bag_menu.asm"
include "ending.asm"

include "battle.asm"
include "battle_screen.asm"
include "battle_choices.asm"
include "battle_moves.asm"
include "opponents.asm"

include "critters.asm"
include "places.asm"
include "texts.asm"
include "battle_texts.asm"

; Drawings, made by build.py from the text files in art/.
include "drawings.asm"
