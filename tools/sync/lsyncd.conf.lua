-- lsyncd.conf.lua - copies configuration from the active node to the other one as it changes: /etc/lsyncd/lsyncd.conf.lua.
-- One direction: it must run on the active node alone, as a resource of the cluster beside the file systems; on both at once
-- each would undo the other's changes. Where both nodes' administrators change files, csync2 is the one to take.
-- The peer is reached by ssh as root, with a key of its own.
settings {
    logfile = "/var/log/lsyncd/lsyncd.log",
    statusFile = "/run/lsyncd.status",
    -- Editors write a new file and rename it; what is half written is not copied.
    inotifyMode = "CloseWrite",
    nodaemon = true,
    insist = true,
}

local peer = os.getenv("BLOCKREPL_PEER") or "beta"

-- directory; what of it is not copied
local directories = {
    ["/etc/blockrepl"] = { "tls/*.key" },
    ["/etc/bm"] = {},
}

for directory, excluded in pairs(directories) do
    sync {
        default.rsync,
        source = directory,
        target = (os.getenv("BLOCKREPL_SYNC_TARGET") or (peer .. ":")) .. directory,
        exclude = excluded,
        delay = 2,
        -- Never more than was asked for: a file that only the peer has is not deleted there.
        delete = "running",
        rsync = { archive = true, acls = true, xattrs = true, rsh = os.getenv("BLOCKREPL_SYNC_RSH") or "/usr/bin/ssh -o BatchMode=yes" },
    }
end
