//! Rules about the machine: disks, rights, processes, what starts by itself, and where credentials are.

use super::row::table;

table! {
    // Disks.
    "disk-format" ["mkfs" "mkfs.ext4" "mkfs.ext3" "mkfs.ext2" "mkfs.xfs" "mkfs.btrfs" "mkfs.vfat" "mkfs.fat" "mkfs.ntfs" "mkfs.exfat" "mke2fs" "mkswap" "newfs" "format.com" "fdisk" "sfdisk" "gdisk" "sgdisk" "cfdisk" "parted" "wipefs" "blkdiscard" "hdparm" "badblocks" "cryptsetup" "dmsetup" "mdadm" "diskpart" "e2fsck" "fsck" "resize2fs" "tune2fs" "nvme" "ddrescue" "nwipe" "dban" "srm" "sdelete" "cipher" "bcdedit" "vssadmin" "wbadmin" "debugfs" "efibootmgr" "grub-install" "flashrom"] [] [] L4 Disk "writes to disks or what is below the files" "leave disks to a person";
    "disk-format-drive" ["format"] ["*:"] [] L4 Disk "writes to disks or what is below the files" "leave disks to a person";
    "disk-list" ["fdisk" "parted" "lsblk"] [] ["-l" "--list"] L0 Read "lists disks" "";
    "disk-volume" ["lvremove" "vgremove" "pvremove" "lvreduce" "zpool" "zfs" "btrfs" "xfs_repair" "swapoff" "losetup" "snapper" "timeshift" "tmutil"] ["destroy|remove|rollback|labelclear|delete|deletelocalsnapshots|subvolume|*" "**"] [] L3 Disk "changes volumes or their snapshots" "leave disks to a person";
    "disk-lvm" ["lvconvert" "lvchange" "lvresize" "lvcreate" "lvextend" "vgreduce" "vgchange" "vgcreate" "vgsplit" "vgmerge" "pvcreate" "pvresize" "lvm" "flash_erase" "flashcp" "nandwrite" "ubiformat" "bcachefs" "stratis" "multipath" "sgdisk" "partprobe" "growpart" "xfs_growfs" "e2label" "fsfreeze"] [] [] L3 Disk "changes volumes or partitions" "leave disks to a person";
    "disk-diskutil" ["diskutil"] ["erase*|partition*|zerodisk|secureerase|apfs|reformat|randomdisk|unmount*" "**"] [] L4 Disk "erases a disk" "leave disks to a person";
    "disk-shred" ["shred"] [] [] L3 Delete "makes files unreadable for good" "delete them";

    // Rights.
    "right-user" ["useradd" "userdel" "usermod" "groupadd" "groupdel" "groupmod" "adduser" "deluser" "passwd" "chpasswd" "visudo" "vipw" "gpasswd" "chsh" "chfn" "newusers" "dscl" "dseditgroup" "faillock" "pam-auth-update"] [] [] L3 Privilege "changes users and their rights" "let a person do it";
    "right-kernel" ["insmod" "modprobe" "rmmod" "depmod" "sysctl" "kexec" "mount" "umount" "chroot" "pivot_root" "unshare" "nsenter" "setcap" "capsh" "bpftool" "bpftrace" "gdb" "strace" "ptrace" "perf" "ltrace" "ldconfig" "systemd-nspawn" "firejail" "dmidecode" "setpriv" "newgrp" "kldload" "kextload" "swapon" "chattr" "debuild"] [] [] L3 Privilege "changes the system or looks into other programs" "let a person do it";
    "right-net" ["iptables" "ip6tables" "nft" "ufw" "firewall-cmd" "pfctl" "ifconfig" "iwconfig" "nmcli" "route" "tc" "arp" "iw" "ipset" "networksetup" "netsh" "ebtables" "wg" "wg-quick" "hostnamectl" "timedatectl" "resolvectl" "scutil"] [] [] L3 Infra "changes the network of the machine" "let a person do it";
    "right-ip" ["ip"] ["link|addr|address|route|netns|rule|neigh|tunnel|xfrm|a|l|r" "add|del|delete|set|flush|change|replace|exec"] [] L3 Infra "changes the network of the machine" "let a person do it";
    "right-guard" ["setenforce" "aa-disable" "aa-teardown" "aa-complain" "apparmor_parser" "semanage" "setsebool" "auditctl" "auditd" "csrutil" "spctl" "tccutil" "nvram" "fail2ban-client" "freshclam" "chkconfig" "aide" "rkhunter" "Set-MpPreference" "set-mppreference"] [] [] L3 Guard "switches guards of the machine off" "let a person do it";
    "right-windows" ["reg" "takeown" "icacls" "net" "net1" "sc" "wmic" "schtasks" "gpupdate" "runas" "psexec" "certutil" "bitsadmin" "mshta" "rundll32" "regsvr32" "cscript" "wscript" "wevtutil" "fsutil" "cmdkey" "auditpol"] [] [] L3 Privilege "changes the system" "let a person do it";

    // Processes and the machine.
    "machine-stop" ["shutdown" "reboot" "halt" "poweroff" "init" "telinit" "pm-suspend" "kexec" "rtcwake"] [] [] L4 Process "stops the machine" "leave the machine to a person";
    "machine-service-stop" ["systemctl"] ["poweroff|reboot|halt|kexec|suspend|hibernate|rescue|emergency|exit|isolate|default"] [] L4 Process "stops the machine" "leave the machine to a person";
    "service" ["systemctl" "service" "rc-service" "sv" "supervisorctl" "launchctl" "brew-services" "initctl" "rc-update" "update-rc.d" "loginctl" "pm2" "svc" "s6-rc" "openrc" "monit" "systemd-run"] ["**" "start|stop|restart|reload|enable|disable|mask|unmask|kill|daemon-reload|set-default|edit|revert|set-property|delete|load|unload|bootstrap|bootout|remove|submit|add|reset-failed|*"] ["start" "stop" "restart" "reload" "enable" "disable" "mask" "unmask" "kill" "daemon-reload" "set-default" "edit" "revert" "set-property" "delete" "load" "unload" "bootstrap" "bootout" "remove" "submit" "add" "--now" "terminate-user" "terminate-session"] L3 Infra "changes services of the machine" "start it as a child of your own command";
    "service-brew" ["brew"] ["services" "start|stop|restart|run|kill|cleanup"] [] L3 Infra "changes services of the machine" "start it as a child of your own command";
    "process-all" ["killall" "pkill" "killall5" "skill" "taskkill" "xkill" "fuser"] [] [] L3 Process "ends processes by name, also those of others" "`kill PID` of the process that you have started";

    // Traces and the clock.
    "trace-journal" ["journalctl"] [] ["--vacuum*" "--rotate" "--flush"] L3 Delete "drops logs of the machine" "let a person do it";
    "trace-dmesg" ["dmesg"] [] ["-C" "-c" "--clear" "--read-clear"] L3 Delete "drops logs of the machine" "`dmesg`, which only shows them";
    "trace-history" ["history"] [] ["-c" "-d" "-w"] L3 Delete "changes the record of what was typed" "leave it";
    "trace-rotate" ["logrotate"] [] ["-f" "--force"] L3 Delete "drops logs of the machine" "let a person do it";
    "clock" ["date"] [] ["-s" "--set" "--set=*"] L3 Infra "sets the clock of the machine" "`faketime` for one program";
    "clock-hardware" ["hwclock" "ntpdate" "chronyc"] [] [] L3 Infra "sets the clock of the machine" "let a person do it";

    // What starts by itself.
    "later-cron" ["crontab" "at" "batch" "anacron" "atrm" "incrontab" "fcrontab"] [] [] L3 Persistence "leaves something that runs later, or removes what others left" "start it now, as a step";
    "later-cron-list" ["crontab"] [] ["-l"] L0 Read "lists what runs later" "";
    "later-key-look" ["ssh-keygen"] [] ["-l" "-lf" "-F" "-E"] L0 Read "shows what a key is" "";
    "later-key" ["ssh-copy-id" "ssh-add" "ssh-agent" "ssh-keygen" "ssh-keyscan" "update-ca-certificates" "update-alternatives" "dpkg-divert" "defaults" "xattr-set" "gsettings" "dconf" "xdg-mime" "loginitems" "pmset" "chezmoi" "stow"] [] [] L3 Persistence "changes keys or settings beyond this project" "let a person do it";

    // Credentials.
    "secret-store" ["security" "secret-tool" "pass" "gopass" "op" "bw" "lpass" "keyctl" "kwallet-query" "keepassxc-cli" "keyring" "age" "sops" "chamber" "berglas" "aws-vault" "doppler" "infisical" "dotenvx" "teller" "envchain" "gpg" "gpg2" "ansible-vault" "git-crypt" "rage" "pinentry" "akeyless" "conjur" "summon"] [] [] L3 Secrets "opens a store of credentials" "let a person give the one value that is needed";
    "secret-gpg-look" ["gpg" "gpg2" "age" "sops"] [] ["--verify" "--version" "--list-keys" "-k" "--help" "--fingerprint"] L2 Execute "checks a signature" "";
    "secret-vault" ["vault"] ["read|kv|write|delete|login|token|print|secrets|auth|policy|operator|lease|unwrap|list" "**"] [] L3 Secrets "opens a store of credentials" "let a person give the one value that is needed";
    "secret-print" ["printenv"] ["*key*|*token*|*secret*|*pass*|*credential*"] [] L3 Secrets "prints a credential" "let a person give the one value that is needed";
    "secret-memory" ["gcore" "procdump" "dumpcap" "tcpdump" "tshark" "wireshark" "ettercap" "mitmproxy" "mitmdump" "xinput" "logkeys" "screencapture" "scrot" "import" "xclip" "xsel" "pbpaste" "wl-paste" "ffmpeg-x11grab"] [] [] L3 Secrets "looks at what others type, send or show" "let a person do it";
}
