"""Runs OpenStack Swift with its S3 API on one port of loopback: a proxy and one server of each sort, in one process.

Called with a folder of its own and the port; answers to the account `test:tester` with the key `testing`.
"""

import os
import subprocess
import sys

from swift.common import utils

utils.eventlet_monkey_patch()

import eventlet
import eventlet.wsgi
from swift.common import constraints, storage_policy, wsgi

PROXY = """[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors proxy-logging cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:symlink]
use = egg:swift#symlink
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
"""

BACKEND = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def serve(conf, socket):
    app = wsgi.loadapp(conf, global_conf={"log_name": os.path.basename(conf)})
    protocol = wsgi.SwiftHttpProtocol
    options = {"protocol": protocol, "capitalize_response_headers": False, "log_output": False}
    eventlet.spawn(eventlet.wsgi.server, socket, app, **options)


def main(folder, port):
    builder = os.path.join(os.path.dirname(sys.executable), "swift-ring-builder")
    os.makedirs(os.path.join(folder, "devices", "disk"))
    write(folder, "swift.conf", "[swift-hash]\nswift_hash_path_suffix = loopback\n")
    utils.set_swift_dir(folder)
    constraints.reload_constraints()
    storage_policy.reload_storage_policies()
    backends = {}
    for kind in ("account", "container", "object"):
        socket = eventlet.listen(("127.0.0.1", 0))
        name = os.path.join(folder, f"{kind}.builder")
        device = f"r1z1-127.0.0.1:{socket.getsockname()[1]}/disk"
        for words in (["create", "4", "1", "1"], ["add", device, "1"], ["rebalance"]):
            subprocess.run([sys.executable, builder, name, *words], check=True, stdout=sys.stderr)
        backends[kind] = socket
    for kind, socket in backends.items():
        serve(write(folder, f"{kind}.conf", BACKEND.format(folder=folder, kind=kind)), socket)
    # There is none: what would be cached is asked for again.
    cache = eventlet.listen(("127.0.0.1", 0))
    address = cache.getsockname()[1]
    cache.close()
    proxy = write(folder, "proxy.conf", PROXY.format(folder=folder, cache=address))
    serve(proxy, eventlet.listen(("127.0.0.1", port)))
    eventlet.event.Event().wait()


main(sys.argv[1], int(sys.argv[2]))
