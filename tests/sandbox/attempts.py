"""Tries to get out of a sandbox, each way in a process of its own, and says of each whether it worked.

Called in the workspace: `attempts.py WORLD RESULT`. WORLD is a JSON file that names what must not be reached. An attempt
that gives True has done what it should not have been able to do. Where the harm itself cannot be seen from here, it counts
whether the kernel was reached: any answer but EPERM, ENOSYS, EACCES and the like.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
WORLD = {}
REFUSED = {errno.EPERM, errno.ENOSYS, errno.EACCES, errno.EROFS}
ATTEMPTS = []

X86 = os.uname().machine == "x86_64"
NUMBERS = {
    # name: (x86_64, aarch64)
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "add_key": (248, 217), "keyctl": (250, 219), "io_uring_setup": (425, 425), "userfaultfd": (323, 282),
    "bpf": (321, 280), "perf_event_open": (298, 241), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "unshare": (272, 97), "setns": (308, 268), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442), "chroot": (161, 51),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "clone3": (435, 435),
    "openat2": (437, 437), "kexec_load": (246, 104), "init_module": (175, 105), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262), "syslog": (103, 116), "clone": (56, 220),
}


def attempt(function):
    ATTEMPTS.append(function)
    return function


def call(name, *arguments):
    number = NUMBERS[name][0 if X86 else 1]
    ctypes.set_errno(0)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    return result, ctypes.get_errno()


def reached(name, *arguments):
    """Whether the kernel did more than refuse."""
    result, error = call(name, *arguments)
    return result >= 0 or error not in REFUSED


def write(path, text="owned\n"):
    with open(path, "w") as file:
        file.write(text)
    return True


def outside(name):
    return os.path.join(WORLD["outside"], name)


def in_home(name):
    return os.path.join(WORLD["home"], name)


# --- Files that are elsewhere.

@attempt
def write_by_path():
    return write(outside("by_path"))

@attempt
def create_outside():
    return write(outside("new_file"))

@attempt
def make_folder_outside():
    os.mkdir(outside("new_folder"))
    return True

@attempt
def delete_outside():
    os.unlink(outside("to_delete"))
    return True

@attempt
def write_by_symlink():
    os.symlink(outside("by_symlink"), "link")
    return write("link")

@attempt
def write_by_folder_symlink():
    os.symlink(WORLD["outside"], "folder_link")
    return write("folder_link/by_folder_symlink")

@attempt
def write_by_hard_link():
    os.link(outside("by_hard_link"), "hard_link")
    return write("hard_link")

@attempt
def write_by_dots():
    return write(os.path.join(os.path.relpath(WORLD["outside"]), "by_dots"))

@attempt
def write_by_proc_self_root():
    return write("/proc/self/root" + outside("by_self_root"))

@attempt
def write_by_proc_self_cwd():
    return write("/proc/self/cwd/" + os.path.relpath(outside("by_self_cwd")))

@attempt
def write_by_proc_of_another():
    return write("/proc/%d/root%s" % (WORLD["victim"], outside("by_victim_root")))

@attempt
def write_by_cwd_of_another():
    return write("/proc/%d/cwd/by_victim_cwd" % WORLD["victim"])

@attempt
def write_by_descriptor_of_another():
    return write("/proc/%d/fd/1" % WORLD["victim"])

@attempt
def write_by_proc_of_init():
    return write("/proc/1/root" + outside("by_init_root"))

@attempt
def rename_over_outside():
    write("mine")
    os.rename("mine", outside("to_replace"))
    return True

@attempt
def move_in_from_outside():
    os.rename(outside("to_take"), "taken")
    return True

@attempt
def chmod_outside():
    os.chmod(outside("to_chmod"), 0o777)
    return True

@attempt
def truncate_outside():
    os.truncate(outside("to_truncate"), 0)
    return True

@attempt
def touch_outside():
    os.utime(outside("to_touch"), (1, 1))
    return True

@attempt
def write_shell_startup():
    return write(in_home(".bashrc"))

@attempt
def create_shell_startup():
    return write(in_home(".zshenv"))

@attempt
def create_user_settings_of_an_agent():
    os.makedirs(in_home(".claude"), exist_ok=True)
    return write(in_home(".claude/settings.json"))

@attempt
def rename_the_workspace():
    here = os.getcwd()
    os.rename(here, here + ".moved")
    os.rename(here + ".moved", here)
    return True

@attempt
def write_by_inherited_descriptor():
    return os.write(9, b"owned\n") > 0

@attempt
def shared_memory_of_others():
    return open("/dev/shm/" + WORLD["shm"]).read() != ""

# --- What runs later, in the workspace itself.

@attempt
def create_hook():
    return write(".git/hooks/pre-commit")

@attempt
def move_hooks_away():
    os.rename(".git/hooks", ".git/hooks.old")
    os.mkdir(".git/hooks")
    return True

@attempt
def move_repository_away():
    os.rename(".git", ".git.old")
    os.rename(".git.old", ".git")
    return True

@attempt
def set_hooks_path():
    return subprocess.run(["git", "config", "core.hooksPath", "/evil"], stderr=subprocess.DEVNULL).returncode == 0

@attempt
def write_git_config():
    with open(".git/config", "a") as file:
        file.write("[core]\n\tfsmonitor = evil\n")
    return True

@attempt
def rename_over_git_config():
    write("config.new")
    os.rename("config.new", ".git/config")
    return True

@attempt
def create_project_settings_of_an_agent():
    os.makedirs(".claude", exist_ok=True)
    return write(".claude/settings.json")

@attempt
def replace_folder_by_symlink():
    os.makedirs("evil", exist_ok=True)
    if os.path.isdir(".gemini"):
        os.rmdir(".gemini")
    os.symlink("evil", ".gemini")
    return True

@attempt
def create_server_declaration():
    return write(".mcp.json", '{"mcpServers":{"x":{"command":"evil"}}}')

@attempt
def replace_server_declaration():
    write("mcp.new", '{"mcpServers":{"x":{"command":"evil"}}}')
    os.rename("mcp.new", ".mcp.json")
    return True

@attempt
def write_settings_of_orch():
    return write("orch.toml", "sandbox = 'off'\n")

@attempt
def write_definition_of_orch():
    return write(".orch/workflows/evil.yaml")

@attempt
def chmod_protected():
    os.chmod("orch.toml", 0o777)
    return True

@attempt
def uncover_by_umount():
    result, error = call("umount2", ctypes.c_char_p(b".git/hooks"), 2)
    return result == 0

@attempt
def make_writable_by_remount():
    MS_REMOUNT, MS_BIND = 32, 4096
    result, error = call("mount", None, ctypes.c_char_p(b"/"), None, MS_REMOUNT | MS_BIND, None)
    return result == 0

@attempt
def mount_over():
    os.makedirs("mountpoint", exist_ok=True)
    result, _ = call("mount", ctypes.c_char_p(b"tmpfs"), ctypes.c_char_p(b"mountpoint"), ctypes.c_char_p(b"tmpfs"), 0, None)
    return result == 0

@attempt
def mounts_by_the_new_calls():
    return reached("open_tree", -100, ctypes.c_char_p(b"/"), 1) or reached("fsopen", ctypes.c_char_p(b"tmpfs"), 0)

@attempt
def namespaces_again():
    CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
    return reached("unshare", CLONE_NEWUSER | CLONE_NEWNS)

@attempt
def namespaces_again_by_clone():
    SIGCHLD, CLONE_NEWUSER = 17, 0x10000000
    result, error = call("clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    return result > 0

@attempt
def namespaces_again_by_clone3():
    arguments = struct.pack("11Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
    result, error = call("clone3", ctypes.c_char_p(arguments), len(arguments))
    if result == 0:
        os._exit(0)
    return result > 0

@attempt
def namespaces_of_another():
    handle = os.open("/proc/%d/ns/mnt" % WORLD["victim"], os.O_RDONLY)
    return reached("setns", handle, 0)

@attempt
def another_root():
    return reached("chroot", ctypes.c_char_p(b"."))

# --- What nobody may read.

@attempt
def read_ssh_key():
    return "PRIVATE" in open(in_home(".ssh/id_rsa")).read()

@attempt
def read_cloud_key():
    return "AKIA" in open(in_home(".aws/credentials")).read()

@attempt
def read_login_of_a_forge():
    return "token" in open(in_home(".config/gh/hosts.yml")).read()

@attempt
def read_browser_profile():
    return "cookie" in open(in_home(".mozilla/cookies")).read()

@attempt
def read_key_by_proc_root():
    return "PRIVATE" in open("/proc/self/root" + in_home(".ssh/id_rsa")).read()

@attempt
def read_key_by_another():
    return "PRIVATE" in open("/proc/%d/root%s" % (WORLD["victim"], in_home(".ssh/id_rsa"))).read()

@attempt
def read_state_of_orch():
    return os.path.exists(os.path.join(WORLD["workspace"], ".orch/state/store.db")) or any(
        name.endswith((".db", ".sqlite", "-wal")) for name in os.listdir(os.path.join(WORLD["workspace"], ".orch/state")))

@attempt
def read_token_of_orch():
    return "secret" in open(in_home(".local/state/orch/cache.key")).read()

@attempt
def read_environment_of_another():
    return "VICTIM" in open("/proc/%d/environ" % WORLD["victim"]).read()

@attempt
def read_disk():
    disks = [line.split()[3] for line in open("/proc/partitions").read().splitlines()[2:]]
    return any(open("/dev/" + disk, "rb").read(512) != b"" for disk in disks[:1])

@attempt
def make_own_disk():
    major, minor = [(int(line.split()[0]), int(line.split()[1])) for line in open("/proc/partitions").read().splitlines()[2:]][0]
    os.mknod("disk", 0o600 | 0o060000, os.makedev(major, minor))
    return True

# --- Other processes.

@attempt
def signal_another():
    os.kill(WORLD["victim"], 0)
    return True

@attempt
def signal_another_by_handle():
    handle, error = call("pidfd_open", WORLD["victim"], 0)
    result, error = call("pidfd_send_signal", handle, 0, None, 0)
    return result == 0

@attempt
def signal_orch():
    os.kill(WORLD["orch"], 0)
    return True

@attempt
def trace_another():
    PTRACE_SEIZE = 0x4206
    result, error = call("ptrace", PTRACE_SEIZE, WORLD["victim"], 0, 0)
    return result == 0

@attempt
def memory_of_another():
    open("/proc/%d/mem" % WORLD["victim"], "r+b").close()
    return True

@attempt
def memory_of_another_by_call():
    return reached("process_vm_readv", WORLD["victim"], None, 0, None, 0, 0)

@attempt
def descriptor_of_another():
    handle, error = call("pidfd_open", WORLD["victim"], 0)
    result, error = call("pidfd_getfd", handle, 1, 0)
    return result >= 0

@attempt
def type_into_a_terminal():
    TIOCSTI = 0x5412
    ctypes.set_errno(0)
    null = os.open("/dev/null", os.O_RDWR)
    libc.ioctl(null, ctypes.c_ulong(TIOCSTI), ctypes.c_char_p(b"x"))
    return ctypes.get_errno() not in REFUSED

@attempt
def terminals_of_others():
    return write(WORLD["terminal"])

# --- Sockets.

def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as sock:
        sock.settimeout(2)
        sock.connect(address)
        return True

@attempt
def socket_of_a_service():
    return connect(socket.AF_UNIX, WORLD["service"])

@attempt
def socket_of_an_agent_of_keys():
    return connect(socket.AF_UNIX, in_home(".ssh/agent.sock"))

@attempt
def state_of_a_service():
    return open("/run/" + WORLD["shm"]).read() != ""

@attempt
def socket_by_symlink():
    os.symlink(WORLD["service"], "service_link")
    return connect(socket.AF_UNIX, "service_link")

@attempt
def socket_without_path():
    return connect(socket.AF_UNIX, "\0" + WORLD["abstract"])

@attempt
def loopback_of_the_machine():
    return connect(socket.AF_INET, ("127.0.0.1", WORLD["port"]))

@attempt
def loopback_by_ipv6():
    return connect(socket.AF_INET6, ("::1", WORLD["port6"]))

@attempt
def loopback_by_mapped_address():
    return connect(socket.AF_INET6, ("::ffff:127.0.0.1", WORLD["port"]))

@attempt
def name_by_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.sendto(b"data", ("127.0.0.1", WORLD["udp"]))
        return sock.recv(10) == b"answer"

@attempt
def network_has_a_way_out():
    return any(line.split()[1] == "00000000" for line in open("/proc/self/net/route").read().splitlines()[1:])

@attempt
def raw_socket():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()
    return True

@attempt
def packet_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    return True

@attempt
def socket_of_the_kernel():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9).close()
    return True

@attempt
def socket_of_the_host_of_this_machine():
    try:
        socket.socket(40, socket.SOCK_STREAM).close()
        return True
    except OSError as error:
        return error.errno not in REFUSED

# --- The kernel.

@attempt
def rights_over_the_machine():
    lines = open("/proc/self/status").read().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("CapEff", "CapPrm", "CapBnd")))

@attempt
def ring_of_calls():
    return reached("io_uring_setup", 1, ctypes.create_string_buffer(256))

@attempt
def keyring():
    return reached("keyctl", 0, -3, 0, 0, 0)

@attempt
def new_key():
    return reached("add_key", ctypes.c_char_p(b"user"), ctypes.c_char_p(b"x"), ctypes.c_char_p(b"y"), 1, -3)

@attempt
def faults_by_hand():
    return reached("userfaultfd", 1)

@attempt
def programs_in_the_kernel():
    return reached("bpf", 0, ctypes.create_string_buffer(256), 64)

@attempt
def counters_of_the_kernel():
    buffer = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + b"\0" * 96, 112)
    return reached("perf_event_open", buffer, 0, -1, -1, 0)

@attempt
def files_by_number():
    return reached("open_by_handle_at", -100, ctypes.create_string_buffer(64), 0)

@attempt
def other_numbers_of_calls():
    if not X86:
        return False
    ctypes.set_errno(0)
    # The same `mount`, by its number of another way to call.
    libc.syscall(ctypes.c_long(0x40000000 + 165), None, None, None, ctypes.c_long(0), None)
    return ctypes.get_errno() not in REFUSED

@attempt
def settings_of_the_kernel():
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    return True

@attempt
def keys_of_the_console():
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return True

@attempt
def hide_a_file_for_others():
    # A whiteout: it makes a file vanish where trees are stacked.
    os.mknod("whiteout", 0o600 | 0o020000, os.makedev(0, 0))
    return True

@attempt
def set_user_bit():
    write("suid")
    os.chmod("suid", 0o4755)
    return True

@attempt
def set_user_bit_at_birth():
    os.close(os.open("suid_born", os.O_CREAT | os.O_WRONLY, 0o4755))
    return bool(os.stat("suid_born").st_mode & 0o4000)

@attempt
def set_group_bit():
    write("sgid")
    os.chmod("sgid", 0o2755)
    return True


def perform(function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            word = "done" if function() else "refused: nothing happened"
        except BaseException as error:
            word = "refused: %s" % error
        os.write(writer, word.encode())
        os._exit(0)
    os.close(writer)
    ends = time.time() + 10
    while time.time() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            word = os.read(reader, 4096).decode()
            os.close(reader)
            return word or "refused: ended with %d" % status
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "refused: it hangs"


def main():
    WORLD.update(json.load(open(sys.argv[1])))
    names = sys.argv[3:]
    WORLD["orch"] = os.getppid()
    results = {f.__name__: perform(f) for f in ATTEMPTS if not names or f.__name__ in names}
    json.dump(results, open(sys.argv[2], "w"), indent=1)


main()
