"""The samples are what they are said to be, and agree with each other and with the guide.  samples.py SAMPLES GUIDE"""
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

SAMPLES, GUIDE = sys.argv[1:]


def read(name):
    return open(os.path.join(SAMPLES, name), encoding="utf-8").read()


def check(condition, what):
    if not condition:
        sys.exit(f"samples: {what}")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    check(done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text).group(1))


def drain_seconds():
    """From the signal to the end, as the page about draining has it."""
    page = open(os.path.join(GUIDE, "drain.md"), encoding="utf-8").read()
    before = int(re.search(r"^  sleep\((\d+)\);", page, re.M).group(1))
    return before + int(re.search(r"how\.deadline_ms = (\d+);", page).group(1)) / 1000


def seccomp():
    profile = json.loads(read("seccomp-ringws.json"))
    check(profile["defaultAction"] == "SCMP_ACT_ERRNO" and profile["defaultErrnoRet"] == 1, "what is not allowed: EPERM")
    names = [n for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]]
    for wanted in ("io_uring_setup", "io_uring_enter", "io_uring_register", "execve", "openat", "futex"):
        check(wanted in names, f"{wanted} is not allowed")
    refused = """acct add_key bpf clone3 create_module delete_module finit_module init_module ioperm iopl kcmp kexec_file_load
        kexec_load keyctl lookup_dcookie mount mount_setattr move_mount fsopen fsconfig fsmount fspick open_tree nfsservctl
        open_by_handle_at perf_event_open pivot_root process_vm_readv process_vm_writev ptrace quotactl reboot request_key setns
        settimeofday clock_settime adjtimex clock_adjtime swapon swapoff sysfs syslog umount2 unshare userfaultfd uselib vm86
        pidfd_getfd chroot sethostname setdomainname mbind move_pages migrate_pages"""
    check(not set(refused.split()) & set(names), set(refused.split()) & set(names))
    # Twice is a mistake, but for rules by argument.
    plain = [n for rule in profile["syscalls"] if "args" not in rule for n in rule["names"]]
    check(len(plain) == len(set(plain)), "a name is there twice")
    header = "/usr/include/asm-generic/unistd.h", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    known = {n for h in header if os.path.exists(h) for n in re.findall(r"__NR3?2?6?4?_(\w+)", open(h).read())}
    newer = set("cachestat map_shadow_stack fchmodat2 futex_wait futex_wake futex_requeue".split())  # than such headers
    check(not known or set(names) - known - newer == set(), f"no system calls: {set(names) - known - newer}")


def containers():
    compose = yaml.safe_load(read("compose.yaml"))
    for service in compose["services"].values():
        profile = [o[len("seccomp="):] for o in service["security_opt"] if o.startswith("seccomp=")]
        check(os.path.exists(os.path.join(SAMPLES, profile[0])), "compose: the profile's name")
        check(seconds(service["stop_grace_period"]) > drain_seconds(), "compose: stop_grace_period")
    parts = {part["kind"]: part for part in yaml.safe_load_all(read("kubernetes.yaml"))}
    check(set(parts) == {"Deployment", "Service", "PodDisruptionBudget"}, parts.keys())
    template = parts["Deployment"]["spec"]["template"]
    labels, spec = template["metadata"]["labels"], template["spec"]
    for selector in (parts["Deployment"]["spec"]["selector"]["matchLabels"], parts["Service"]["spec"]["selector"],
                     parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]):
        check(selector == labels, f"kubernetes: {selector} selects nobody")
    profile = spec["securityContext"]["seccompProfile"]
    check(profile["type"] == "Localhost", profile)
    check(os.path.exists(os.path.join(SAMPLES, os.path.basename(profile["localhostProfile"]))), "kubernetes: the profile's name")
    container = spec["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    guide = open(os.path.join(GUIDE, "http.md"), encoding="utf-8").read()
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        check(asked["port"] in ports and f'"{asked["path"]}"' in guide, f"kubernetes: {probe}")
    check(parts["Service"]["spec"]["ports"][0]["targetPort"] in ports, "kubernetes: targetPort")
    check(int(template["metadata"]["annotations"]["prometheus.io/port"]) in ports.values(), "kubernetes: the port to scrape")
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    check(spec["terminationGracePeriodSeconds"] > before + drain_seconds(), "kubernetes: terminationGracePeriodSeconds")
    check(container["resources"]["requests"] == container["resources"]["limits"], "kubernetes: not Guaranteed")


def dashboard():
    board = json.loads(read("grafana-dashboard.json"))
    expressions = []
    taken, ids = set(), [panel["id"] for panel in board["panels"]]
    check(len(ids) == len(set(ids)), "dashboard: an id twice")
    for panel in board["panels"]:
        at = panel["gridPos"]
        check(at["x"] + at["w"] <= 24, f"dashboard: {panel['title']} is beyond the margin")
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        check(not cells & taken, f"dashboard: {panel['title']} lies on another")
        taken |= cells
        for target in panel.get("targets", []):
            e = target["expr"]
            for variable, value in (("$__rate_interval", "5m"), ("$job", ".*"), ("$instance", ".*")):
                e = e.replace(variable, value)
            expressions.append(e)
    rules = [{"record": "panel", "expr": e, "labels": {"number": str(n)}} for n, e in enumerate(expressions)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        run("promtool", "check", "rules", file.name)
    variables = {v["name"] for v in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(board)))
    check(used <= variables, f"dashboard: {used - variables} are not there")


def prometheus():
    names = []
    for group in yaml.safe_load(read("alerts.yml"))["groups"]:
        for rule in group["rules"]:
            names.append(rule["alert"])
            check(rule["annotations"]["summary"], f"alerts: {rule['alert']}")
    check(len(names) == len(set(names)), "alerts: a name twice")
    run("promtool", "check", "config", os.path.join(SAMPLES, "prometheus.yml"))  # and the alerts with it


def kernel():
    settings = [line.split("=")[0].strip() for line in read("99-ringws.conf").splitlines() if "=" in line and line[0] != "#"]
    for setting in settings:
        check(os.path.exists("/proc/sys/" + setting.replace(".", "/")), f"sysctl: {setting}")


def systemd():
    unit = read("ringws-echo.service")
    check(seconds(re.search(r"^TimeoutStopSec=(\w+)$", unit, re.M).group(1)) > drain_seconds(), "systemd: TimeoutStopSec")
    with tempfile.TemporaryDirectory() as place:
        for name in ("ringws-echo.service", "ringws-echo.socket"):
            with open(os.path.join(place, name), "w") as file:  # of a program that is there
                file.write(read(name).replace("/usr/local/bin/ringws-echo", "/bin/true"))
        files = [os.path.join(place, f) for f in ("ringws-echo.service", "ringws-echo.socket")]
        said = run("systemd-analyze", "verify", "--man=no", *files)
        check("ringws" not in said, said)
        run("systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager", files[0])


def proxies():
    list(yaml.safe_load_all(read("envoy.yaml")))
    with tempfile.TemporaryDirectory() as place:
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example.com",
            "-keyout", f"{place}/example.com.key", "-out", f"{place}/example.com.pem")
        with open(f"{place}/haproxy.pem", "w") as both:
            both.write(open(f"{place}/example.com.pem").read() + open(f"{place}/example.com.key").read())
        for name in ("nginx-stream.conf", "nginx-http.conf", "haproxy.cfg"):
            with open(f"{place}/{name}", "w") as file:
                file.write(read(name).replace("/etc/ssl/ws", place).replace("modules/", "/usr/lib/nginx/modules/"))
        run("nginx", "-t", "-q", "-c", f"{place}/nginx-stream.conf", "-g", f"pid {place}/pid;")
        run("nginx", "-t", "-q", "-c", f"{place}/nginx-http.conf", "-g", f"pid {place}/pid;")
        run("haproxy", "-c", "-q", "-f", f"{place}/haproxy.cfg")


def migration():
    # Theirs: what it becomes is compiled and run by ffi/tests/docs.rs.
    run("c++", "-std=c++14", "-fsyntax-only", "-DASIO_STANDALONE", os.path.join(SAMPLES, "migrate/before.cpp"))


def follower():
    """The page's client keeps the latest number of each node, and says that when it comes back."""
    before = "const [sent, shown] = [[], []], socket = { send: (x) => sent.push(x) }, show = (x) => shown.push(x), reload = () => show('!');"
    said = ["at 1.2.3_1.2.9_5.6.7", "1.2.a hello you", "1.2.10 x", "1.2.f earlier", "1.1.ff old", "late"]
    hears = f"socket.onopen(); for (const data of {json.dumps(said)}) socket.onmessage({{ data }}); socket.onopen();"
    told = json.loads(run("node", "-e", f"{before}\n{read('follow.js')}\n{hears}\nconsole.log(JSON.stringify([sent, shown]))"))
    check(told == [["", "1.2.3_1.2.10_5.6.7"], ["hello you", "x", "earlier", "old", "!"]], told)


for part in (seccomp, containers, dashboard, prometheus, kernel, systemd, proxies, migration, follower):
    part()
