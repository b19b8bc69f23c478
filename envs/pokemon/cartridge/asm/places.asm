; The rooms, their people and their things.

; Doors and edges: row, column -> map, row, column.
; People and things: row, column, picture; script; the event after which they are gone, and the one
; before which they are not here yet.
; Triggers: row, column; script that runs when the player steps there.
; Wild critters: four chances of critter and level; then how many steps in 256 meet one.

RoomTable:
    db MAP_HOME
    dw HomeRoom
    db MAP_VILLAGE
    dw VillageRoom
    db MAP_ROUTE
    dw RouteRoom
    db MAP_TOWN
    dw TownRoom
    db MAP_LAB
    dw LabRoom
    db MAP_CLINIC
    dw ClinicRoom
    db MAP_GYM
    dw GymRoom
    db MAP_FOREST
    dw ForestRoom
    db MAP_HALL
    dw HallRoom

Nothing:
    db $FF

HomeRoom:
    dw HomeCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 5, 4, MAP_VILLAGE, 4, 3
    db $FF
.things:
    db 2, 4, NO_PICTURE
    dw ReadNote, NEVER, NEVER
    db 4, 4, PICTURE_KEEPER
    dw AskKeeper, EVENT_GATE_OPEN, NEVER
    db 4, 3, PICTURE_KEEPER
    dw TalkToKeeperAside, NEVER, EVENT_GATE_OPEN
    db $FF

VillageRoom:
    dw VillageCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 3, 3, MAP_HOME, 4, 4
    db 5, 9, MAP_ROUTE, 5, 1
    db $FF
.things:
    db 6, 2, PICTURE_WOMAN
    dw TalkToWoman, NEVER, NEVER
    db 6, 7, NO_PICTURE
    dw ReadVillageSign, NEVER, NEVER
    db $FF

RouteRoom:
    dw RouteCells, .warps, .things, .triggers, .wild
    db 25
.warps:
    db 5, 0, MAP_VILLAGE, 5, 8
    db 5, 9, MAP_TOWN, 4, 1
    db $FF
.things:
    db 3, 1, NO_PICTURE
    dw ReadRouteSign, NEVER, NEVER
    db 4, 8, PICTURE_BOY
    dw TalkToRouteBoy, NEVER, NEVER
    db 1, 7, PICTURE_BALL
    dw TakePotion, EVENT_FOUND_POTION, NEVER
    db $FF
.triggers:
    db 5, 8
    dw MeetRouteBoy
    db $FF
.wild:
    db NIBBLIN, 2, CHIRPET, 2, NIBBLIN, 3, CHIRPET, 3

TownRoom:
    dw TownCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 4, 0, MAP_ROUTE, 5, 8
    db 2, 2, MAP_LAB, 6, 4
    db 2, 7, MAP_CLINIC, 6, 4
    db 7, 4, MAP_GYM, 6, 4
    db 4, 9, MAP_FOREST, 4, 1
    db $FF
.things:
    db 3, 4, NO_PICTURE
    dw ReadTownSign, NEVER, NEVER
    db 8, 3, NO_PICTURE
    dw ReadGymSign, NEVER, NEVER
    db 4, 8, PICTURE_KEEPER
    dw TalkToGuard, EVENT_BEAT_FLINT, NEVER
    db 5, 8, PICTURE_KEEPER
    dw TalkToGuardAside, NEVER, EVENT_BEAT_FLINT
    db $FF

LabRoom:
    dw LabCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 7, 4, MAP_TOWN, 3, 2
    db $FF
.things:
    db 3, 4, PICTURE_ELDER
    dw TalkToElder, NEVER, NEVER
    db 4, 7, NO_PICTURE
    dw SwitchRadio, NEVER, NEVER
    db $FF

ClinicRoom:
    dw ClinicCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 7, 4, MAP_TOWN, 3, 7
    db $FF
.things:
    db 2, 3, PICTURE_NURSE
    dw TalkToNurse, NEVER, NEVER
    db 2, 7, PICTURE_CLERK
    dw TalkToClerk, NEVER, NEVER
    db $FF

GymRoom:
    dw GymCells, .warps, .things, .triggers, Nothing
    db 0
.warps:
    db 7, 4, MAP_TOWN, 8, 4
    db $FF
.things:
    db 2, 4, PICTURE_LEADER
    dw TalkToFlint, NEVER, NEVER
    db 4, 5, PICTURE_BOY
    dw TalkToPupil, NEVER, NEVER
    db $FF
.triggers:
    db 4, 4
    dw MeetPupil
    db $FF

ForestRoom:
    dw ForestCells, .warps, .things, Nothing, .wild
    db 25
.warps:
    db 4, 0, MAP_TOWN, 4, 7
    db 1, 7, MAP_HALL, 6, 4
    db $FF
.things:
    db 2, 8, NO_PICTURE
    dw ReadForestSign, NEVER, NEVER
    db 7, 8, PICTURE_BALL
    dw TakeNets, EVENT_FOUND_NETS, NEVER
    db $FF
.wild:
    db WRIGGLY, 4, NIBBLIN, 5, CHIRPET, 5, WRIGGLY, 6

HallRoom:
    dw HallCells, .warps, .things, Nothing, Nothing
    db 0
.warps:
    db 7, 4, MAP_FOREST, 2, 7
    db $FF
.things:
    db 3, 4, PICTURE_LEADER
    dw TalkToIris, NEVER, NEVER
    db $FF
