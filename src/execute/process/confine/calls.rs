//! The filter of system calls: what no confined command needs and what many escapes are made of.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction,
    SeccompCmpArgLen::Dword,
    SeccompCmpOp::{Eq, MaskedEq, Ne},
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use super::Fault;

/// Never needed, and each a way to the kernel or to other processes.
const NEVER: &[c_long] = &[
    // The keyrings and the memory of others.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Large and young parts of the kernel.
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    // Files by number, past every path.
    libc::SYS_open_by_handle_at,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// What changes which files there are; a program with a sandbox of its own needs it.
const NAMESPACES: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
];

/// Takes its arguments from memory, where no filter can look; every program has an older way.
const UNSEEN: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

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
const MODES: &[(c_long, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_fchmodat2, 2),
    (libc::SYS_mknodat, 2),
    (libc::SYS_mkdirat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, 1),
];

/// System calls with flags in that argument and a mode in the next, which counts where a file is made.
const OPENS: &[(c_long, u8)] = &[
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

/// Numbers from here on are another way to call the same on this machine, past a filter by number.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Filters the calls of this thread and of all that come from it, for good.
pub(super) fn filter(nests: bool) -> Result<(), Fault> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let absent = SeccompAction::Errno(libc::ENOSYS as u32);
    let made = |error: seccompiler::BackendError| Fault::new("make the filter of system calls", error);
    let mut programs = vec![
        compile(refusals(nests).map_err(made)?, refused).map_err(made)?,
        compile(UNSEEN.iter().map(|call| (*call, Vec::new())).collect(), absent).map_err(made)?,
    ];
    programs.extend(no_other_numbers());
    for program in &programs {
        apply_filter(program).map_err(|error| Fault::new("apply the filter of system calls", error))?;
    }
    Ok(())
}

fn compile(rules: Rules, action: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()
}

fn refusals(nests: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    if !nests {
        rules.extend(NAMESPACES.iter().map(|call| (*call, Vec::new())));
        let new = NEW_NAMESPACES.iter().map(|flag| rule([has(0, flag.unsigned_abs().into())]));
        rules.insert(libc::SYS_clone, new.collect::<Result<_, _>>()?);
    }
    let terminal = TERMINAL.iter().map(|request| rule([is(1, *request)]));
    rules.insert(libc::SYS_ioctl, terminal.collect::<Result<_, _>>()?);
    for (call, place) in MODES {
        let modes = SET_IDS.iter().map(|bit| rule([has(*place, u64::from(*bit))]));
        rules.insert(*call, modes.collect::<Result<_, _>>()?);
    }
    for (call, place) in OPENS {
        let makes = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY].map(libc::c_int::unsigned_abs);
        let opens = makes.iter().flat_map(|flag| {
            SET_IDS.iter().map(|bit| rule([has(*place, u64::from(*flag)), has(*place + 1, u64::from(*bit))]))
        });
        rules.insert(*call, opens.collect::<Result<_, _>>()?);
    }
    let other = SOCKETS.iter().map(|kind| SeccompCondition::new(0, Dword, Ne, u64::from(kind.unsigned_abs())));
    let raw = rule([
        SeccompCondition::new(1, Dword, MaskedEq(0xf), libc::SOCK_RAW.unsigned_abs().into()),
        SeccompCondition::new(0, Dword, Ne, libc::AF_NETLINK.unsigned_abs().into()),
    ])?;
    // Of netlink, routes only: names and addresses are asked for there.
    let netlink = rule([
        is(0, libc::AF_NETLINK.unsigned_abs().into()),
        SeccompCondition::new(2, Dword, Ne, libc::NETLINK_ROUTE.unsigned_abs().into()),
    ])?;
    let other = SeccompRule::new(other.collect::<Result<_, _>>()?)?;
    rules.insert(libc::SYS_socket, vec![other, raw, netlink]);
    Ok(rules)
}

type Condition = Result<SeccompCondition, seccompiler::BackendError>;

/// An argument that is this.
fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, Dword, Eq, value)
}

/// An argument with this bit.
fn has(argument: u8, bit: u64) -> Condition {
    SeccompCondition::new(argument, Dword, MaskedEq(bit), bit)
}

fn rule<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
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
