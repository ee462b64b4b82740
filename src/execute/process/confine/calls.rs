//! The filter of system calls: what no confined command needs and what many escapes are made of.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction,
    SeccompCmpArgLen::Dword,
    SeccompCmpOp::{Eq, Gt, MaskedEq, Ne},
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use super::Fault;

/// Never needed, and each a way to the kernel or to other processes.
const NEVER: &[Call] = &[
    // The keyrings and the memory of others.
    ("add_key", libc::SYS_add_key),
    ("request_key", libc::SYS_request_key),
    ("keyctl", libc::SYS_keyctl),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("process_madvise", libc::SYS_process_madvise),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("kcmp", libc::SYS_kcmp),
    // Large and young parts of the kernel.
    ("userfaultfd", libc::SYS_userfaultfd),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("fanotify_init", libc::SYS_fanotify_init),
    // Files by number, past every path.
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    // The machine itself.
    ("kexec_load", libc::SYS_kexec_load),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("init_module", libc::SYS_init_module),
    ("finit_module", libc::SYS_finit_module),
    ("delete_module", libc::SYS_delete_module),
    ("reboot", libc::SYS_reboot),
    ("swapon", libc::SYS_swapon),
    ("swapoff", libc::SYS_swapoff),
    ("acct", libc::SYS_acct),
    ("quotactl", libc::SYS_quotactl),
    ("syslog", libc::SYS_syslog),
    ("settimeofday", libc::SYS_settimeofday),
    ("clock_settime", libc::SYS_clock_settime),
    ("clock_adjtime", libc::SYS_clock_adjtime),
    ("adjtimex", libc::SYS_adjtimex),
    ("sethostname", libc::SYS_sethostname),
    ("setdomainname", libc::SYS_setdomainname),
    ("vhangup", libc::SYS_vhangup),
    #[cfg(target_arch = "x86_64")]
    ("iopl", libc::SYS_iopl),
    #[cfg(target_arch = "x86_64")]
    ("ioperm", libc::SYS_ioperm),
    #[cfg(target_arch = "x86_64")]
    ("modify_ldt", libc::SYS_modify_ldt),
];

/// What changes which files there are; a program with a sandbox of its own needs it.
const NAMESPACES: &[Call] = &[
    ("mount", libc::SYS_mount),
    ("umount2", libc::SYS_umount2),
    ("pivot_root", libc::SYS_pivot_root),
    ("chroot", libc::SYS_chroot),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("open_tree", libc::SYS_open_tree),
    ("move_mount", libc::SYS_move_mount),
    ("fsopen", libc::SYS_fsopen),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fspick", libc::SYS_fspick),
    ("mount_setattr", libc::SYS_mount_setattr),
];

/// Takes its arguments from memory, where no filter can look; every program has an older way.
const UNSEEN: &[Call] = &[("clone3", libc::SYS_clone3), ("openat2", libc::SYS_openat2)];

const NEW_NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Types into a terminal, selects and pastes on a console, changes the line discipline: `TIOCSTI`, `TIOCLINUX` and
/// `TIOCSETD`, as numbers because each libc has a type of its own for them.
const TERMINAL: &[u64] = &[0x5412, 0x541C, 0x5423];

/// The kinds of sockets that programs need.
const SOCKETS: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// What makes a file run with its owner's or its group's rights.
const SET_IDS: &[u32] = &[libc::S_ISUID, libc::S_ISGID];

/// System calls whose argument of that number is a mode.
const MODES: &[(Call, u8)] = &[
    (("fchmod", libc::SYS_fchmod), 1),
    (("fchmodat", libc::SYS_fchmodat), 2),
    (("fchmodat2", libc::SYS_fchmodat2), 2),
    (("mknodat", libc::SYS_mknodat), 2),
    (("mkdirat", libc::SYS_mkdirat), 2),
    #[cfg(target_arch = "x86_64")]
    (("chmod", libc::SYS_chmod), 1),
    #[cfg(target_arch = "x86_64")]
    (("creat", libc::SYS_creat), 1),
    #[cfg(target_arch = "x86_64")]
    (("mknod", libc::SYS_mknod), 1),
    #[cfg(target_arch = "x86_64")]
    (("mkdir", libc::SYS_mkdir), 1),
];

/// Those that make devices.
const NODES: &[(Call, u8)] = &[
    (("mknodat", libc::SYS_mknodat), 2),
    #[cfg(target_arch = "x86_64")]
    (("mknod", libc::SYS_mknod), 1),
];

/// System calls with flags in that argument and a mode in the next, which counts where a file is made.
const OPENS: &[(Call, u8)] = &[
    (("openat", libc::SYS_openat), 2),
    #[cfg(target_arch = "x86_64")]
    (("open", libc::SYS_open), 1),
];

/// Numbers from here on are another way to call the same on this machine, past a filter by number.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// A system call by the name that engines of containers know and by the number that the kernel knows.
type Call = (&'static str, c_long);

/// What is asked of one argument.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Is(u64),
    IsNot(u64),
    /// Of the bits in the first, those of the second.
    Masked(u64, u64),
    /// More than this.
    Over(u64),
}

/// A call that is refused where all conditions on its arguments hold.
struct Refusal {
    call: Call,
    when: Vec<(u8, Asked)>,
}

/// Filters the calls of this thread and of all that come from it, for good.
pub(super) fn filter(nests: bool) -> Result<(), Fault> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let made = |error: seccompiler::BackendError| Fault::new("make the filter of system calls", error);
    let mut programs =
        vec![compile(&refusals(nests), refused).map_err(made)?, compile(&unseen(), absent).map_err(made)?];
    programs.extend(no_other_numbers());
    for program in &programs {
        apply_filter(program).map_err(|error| Fault::new("apply the filter of system calls", error))?;
    }
    Ok(())
}

/// The same filter in the words of engines of containers. A number that is not of this machine's one way to call ends
/// the caller there.
pub(super) fn filter_words() -> serde_json::Value {
    let words = |refusals: Vec<Refusal>, errno: i32| {
        refusals.into_iter().map(move |Refusal { call, when }| {
            let arguments: Vec<_> = when
                .iter()
                .map(|(place, asked)| {
                    let (op, value, two) = match *asked {
                        Asked::Is(value) => ("SCMP_CMP_EQ", value, 0),
                        Asked::IsNot(value) => ("SCMP_CMP_NE", value, 0),
                        Asked::Masked(mask, value) => ("SCMP_CMP_MASKED_EQ", mask, value),
                        Asked::Over(value) => ("SCMP_CMP_GT", value, 0),
                    };
                    serde_json::json!({ "index": place, "value": value, "valueTwo": two, "op": op })
                })
                .collect();
            serde_json::json!({ "names": [call.0], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": arguments })
        })
    };
    let calls: Vec<_> = words(refusals(false), libc::EPERM).chain(words(unseen(), libc::ENOSYS)).collect();
    serde_json::json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls })
}

fn compile(refusals: &[Refusal], action: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    for Refusal { call, when } in refusals {
        let conditions = when.iter().map(|(place, asked)| match *asked {
            Asked::Is(value) => SeccompCondition::new(*place, Dword, Eq, value),
            Asked::IsNot(value) => SeccompCondition::new(*place, Dword, Ne, value),
            Asked::Masked(mask, value) => SeccompCondition::new(*place, Dword, MaskedEq(mask), value),
            Asked::Over(value) => SeccompCondition::new(*place, Dword, Gt, value),
        });
        let conditions: Vec<_> = conditions.collect::<Result<_, _>>()?;
        let of_call = rules.entry(call.1).or_default();
        if !conditions.is_empty() {
            of_call.push(SeccompRule::new(conditions)?);
        }
    }
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
}

fn unseen() -> Vec<Refusal> {
    UNSEEN.iter().map(|call| always(*call)).collect()
}

fn always(call: Call) -> Refusal {
    Refusal { call, when: Vec::new() }
}

fn refusals(nests: bool) -> Vec<Refusal> {
    let mut all: Vec<Refusal> = NEVER.iter().map(|call| always(*call)).collect();
    let mut refuse = |call: Call, when: &[(u8, Asked)]| all.push(Refusal { call, when: when.to_vec() });
    if !nests {
        NAMESPACES.iter().for_each(|call| refuse(*call, &[]));
        for flag in NEW_NAMESPACES {
            refuse(("clone", libc::SYS_clone), &[(0, has(flag.unsigned_abs()))]);
        }
    }
    for request in TERMINAL {
        refuse(("ioctl", libc::SYS_ioctl), &[(1, Asked::Is(*request))]);
    }
    for (call, place) in MODES {
        SET_IDS.iter().for_each(|bit| refuse(*call, &[(*place, has(*bit))]));
    }
    // A device made of nothing hides a file for others where trees are stacked, and is for nobody else.
    for (call, place) in NODES {
        for kind in [libc::S_IFCHR, libc::S_IFBLK] {
            refuse(*call, &[(*place, Asked::Masked(libc::S_IFMT.into(), kind.into()))]);
        }
    }
    for (call, place) in OPENS {
        for flag in [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY].map(libc::c_int::unsigned_abs) {
            SET_IDS.iter().for_each(|bit| refuse(*call, &[(*place, has(flag)), (*place + 1, has(*bit))]));
        }
    }
    let socket = ("socket", libc::SYS_socket);
    let netlink = u64::from(libc::AF_NETLINK.unsigned_abs());
    let known: Vec<u64> = SOCKETS.iter().map(|kind| u64::from(kind.unsigned_abs())).collect();
    let most = known.iter().copied().max().unwrap_or_default();
    // One argument is asked once in a rule: some engines take no more.
    for other in (0..most).filter(|kind| !known.contains(kind)) {
        refuse(socket, &[(0, Asked::Is(other))]);
    }
    refuse(socket, &[(0, Asked::Over(most))]);
    let raw = Asked::Masked(0xf, libc::SOCK_RAW.unsigned_abs().into());
    refuse(socket, &[(0, Asked::IsNot(netlink)), (1, raw)]);
    // Of netlink, routes only: names and addresses are asked for there.
    let route = libc::NETLINK_ROUTE.unsigned_abs().into();
    refuse(socket, &[(0, Asked::Is(netlink)), (2, Asked::IsNot(route))]);
    all
}

/// An argument with this bit.
fn has(bit: u32) -> Asked {
    Asked::Masked(bit.into(), bit.into())
}

/// Refuses every call whose number is not of the one way that the other filters know.
fn no_other_numbers() -> Option<BpfProgram> {
    #[cfg(target_arch = "x86_64")]
    {
        let line = |code: u32, jt: u8, k: u32| sock_filter { code: code as u16, jt, jf: 0, k };
        Some(vec![
            line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            line(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
            line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
            line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        ])
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}
