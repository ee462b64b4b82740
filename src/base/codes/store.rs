//! Codes of the family `E04xx`: the store in `.orch/state`.

use crate::base::codes::table::codes;

codes! {
    UNUSABLE "E0401" 31 false "the store cannot be used"
        "The database in `.orch/state` cannot be opened, read or written: permissions, a failing disk, or damage. After a \
         failed write nothing more is written; what was acknowledged before stays.\n\
         Fix: `orch doctor` looks at the store. The damage of one run leaves the others alone.";
    OWNED "E0402" 32 true "another orch holds the run or the store"
        "A run has one owner at a time, and the store one writer at a time.\n\
         Fix: `orch watch RUN` follows the run, `orch cancel RUN` ends it; or try again in a moment.";
    DISK_FULL "E0403" 33 true "the disk is full"
        "No space is left, or less than `disk_floor` of `orch.toml`. Nothing new is started; nothing that was reported done is \
         lost.\n\
         Fix: free some space, then `orch resume RUN`.";
    NEWER_STORE "E0404" 31 false "a newer orch made this store"
        "The store has a version, and this `orch` does not know it. It was not touched.\n\
         Fix: use the newer `orch`.";
    WRITTEN_BY_ANOTHER "E0405" 32 false "another orch has written to this run"
        "Each record names the place where it belongs. That place was taken, so somebody else moved the run in the meantime; \
         this `orch` has stopped moving it.\n\
         Fix: `orch status RUN` shows where it stands.";
    REFUSED "E0406" 31 false "the store refuses a record"
        "The record is too large, the decision it takes is gone, or the run exists already. Nothing was written.\n\
         Fix: `orch status RUN` shows where the run stands.";
    UNREADABLE_RUN "E0407" 31 false "a run cannot be read"
        "A record or the plan of this run is not in a form that this `orch` can read. The run is not touched, nor are others.\n\
         Fix: read it with the `orch` that wrote it.";
}
