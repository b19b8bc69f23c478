; Everything that is said and written outside of battles. Lines have 18 letters.

NoteText:
    db "The word is<LINE><RAM>"
    dw wWordText
    db ".<DONE>"

KeeperAsksText:
    db "The word?<DONE>"
KeeperRightText:
    db "Right! Please<LINE>pass.<DONE>"
KeeperWaitsText:
    db "Come back when you<LINE>know it.<DONE>"
KeeperWrongText:
    db "No, it was <RAM>"
    dw wWordText
    db ".<LINE>The door is shut.<DONE>"
KeeperShutText:
    db "No. You had your<LINE>chance today.<DONE>"
KeeperAsideText:
    db "Have a good trip!<DONE>"

WomanText:
    db "The door opens for<LINE>the word of the<CONT>day."
    db "<PARA>It's on the note<LINE>in your house.<DONE>"
VillageSignText:
    db "LITTLE VILLAGE<LINE>Every day a word.<DONE>"

RouteSignText:
    db "ROUTE: wild ones<LINE>hide in the grass.<DONE>"
RouteBoyText:
    db "Halt! Let's see<LINE>what you have!<DONE>"
RouteBoyLaterText:
    db "The town is just<LINE>ahead.<DONE>"
FoundPotionText:
    db "ROBIN found a<LINE>POTION!<DONE>"
FoundNetsText:
    db "ROBIN found three<LINE>NETS!<DONE>"

TownSignText:
    db "GARDEN TOWN<LINE>LAB and CLINIC.<DONE>"
GymSignText:
    db "GYM<LINE>Leader: FLINT<DONE>"
GuardText:
    db "Only who has a<LINE>badge may go on.<DONE>"
GuardAsideText:
    db "A fine badge! Go<LINE>on.<DONE>"

ElderAsksText:
    db "This little one<LINE>needs company."
    db "<PARA>Will you take<LINE>CINDERUP along?<DONE>"
ElderGivesText:
    db "ROBIN got<LINE>CINDERUP!<DONE>"
ElderFullText:
    db "Your team is full.<DONE>"
ElderNoText:
    db "Think about it.<DONE>"
ElderLaterText:
    db "Be good to each<LINE>other.<DONE>"
RadioOnText:
    db "The radio is on.<DONE>"
RadioOffText:
    db "The radio is off.<DONE>"

NurseAsksText:
    db "Welcome! Shall I<LINE>heal your team?<DONE>"
NurseDoneText:
    db "All of you are<LINE>well again!<DONE>"
NurseNoText:
    db "See you soon!<DONE>"
ClerkAsksText:
    db "A POTION costs<LINE>¥300. Buy one?<DONE>"
ClerkSoldText:
    db "Here you are!<DONE>"
ClerkPoorText:
    db "You cannot pay<LINE>for it.<DONE>"
ClerkNoText:
    db "Another time!<DONE>"

PupilText:
    db "Nobody gets past<LINE>me to FLINT!<DONE>"
PupilLaterText:
    db "FLINT will show<LINE>you!<DONE>"
FlintText:
    db "I am FLINT. I am<LINE>as hard as rock!<DONE>"
FlintLaterText:
    db "Go east, through<LINE>the forest.<DONE>"
FlintBadgeText:
    db "ROBIN got the<LINE>PEBBLE BADGE!<DONE>"

ForestSignText:
    db "HALL: the very<LINE>best are inside.<DONE>"
IrisText:
    db "I am IRIS, the<LINE>champion. Ready?<DONE>"
IrisBadgeText:
    db "ROBIN got the<LINE>STAR BADGE!<DONE>"

BlackoutText:
    db "ROBIN has nobody<LINE>left who can fight"
    db "<PARA>and hurries back<LINE>to rest.<DONE>"
