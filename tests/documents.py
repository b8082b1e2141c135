#!/usr/bin/python3
"""Runs every command in the documents that people follow, and compares what is shown with what is printed.

  tests/documents.py [--show] BUILD [PAGE...]      default: the pages below; --show prints what each command prints

A page's code blocks are run in their order; each section (##) has two hosts of its own, which are network namespaces: a server
(eth0: 192.0.2.1, 2001:db8::1) and a client (eth0: 192.0.2.10, 2001:db8::10, 198.51.100.7), with /etc and the BPF file system to
itself. Blocks are fenced, and of these languages:

  console   lines that begin with "$ " are commands on the server, with "client$ " on the client. A command goes on after a
            backslash. What follows is what it prints: compared line by line, "..." in a line for anything, as a line for any
            number of lines; nothing for anything. It must end with status 0.
  sh        each line is a command on the server
  others    are not run

Commands run as www-data, without privileges; those with sudo as root (`sudo -u USER`, too). "&" starts one in the background; the
next waits until it listens. A comment of HTML before a block, which no reader sees, says more about it:

  <!-- setup: COMMANDS -->   run before it as root, by bash, with the functions of tests/documents/setup.bash
  <!-- file: PATH -->        the block is the content of that file (below the home directory unless absolute)
  <!-- fails -->             the last command ends with another status than 0
  <!-- needs: PROGRAM -->    skipped where there is none, with the rest of its part (up to the next heading)
  <!-- not run: REASON -->   the block is skipped

Exit status: 0, all that ran was as shown; 1, not; 77, can't be run here. What is skipped is counted and printed."""
import argparse, collections, concurrent.futures, os, pathlib, re, select, shutil, signal, subprocess, sys, tempfile, time

top = pathlib.Path(__file__).resolve().parent.parent
pages = ["docs/migration.md", "docs/recipes.md", "docs/troubleshooting.md", "docs/semantics.md"]
kHome, kBin, kSeconds = "/mnt/home", "/mnt/bin", 100 # a slow machine that is busy

Block = collections.namedtuple("Block", "line part language marks text")
Command = collections.namedtuple("Command", "line where text expected")


def read_page(path):
    """The sections of a page that have blocks: [(heading, [Block])], and what is wrong with it."""
    sections, wrong, marks, fence, part, heading = [], [], [], None, 0, ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if fence is not None:
            if line == "```":
                block = Block(fence[0], part, fence[1], marks, fence[2])
                if not sections or sections[-1][0] != heading:
                    sections.append((heading, []))
                sections[-1][1].append(block)
                fence, marks = None, []
            else:
                fence[2].append(line)
        elif line.startswith("```"):
            fence = (number, line[3:], [])
        elif found := re.fullmatch(r"<!-- (setup|file|fails|needs|not run)(?:: (.*))? -->", line):
            marks.append(found.groups())
        else:
            if line.startswith("    ") and "|" not in line:
                wrong.append(f"{path.name}:{number}: a block that is indented is not run: write a fence")
            if marks and line:
                wrong.append(f"{path.name}:{number}: a mark without a block behind it")
                marks = []
            if line.startswith("#"):
                part = number
                if line.startswith("## "):
                    heading = line[3:]
    return sections, wrong


def commands_of(block):
    """The commands of a console or sh block, each with the lines that it is shown to print."""
    commands, going_on = [], False
    for number, line in enumerate(block.text, block.line + 1):
        if going_on:
            commands[-1] = commands[-1]._replace(text=commands[-1].text + "\n" + line)
        elif block.language == "sh":
            if not line.strip() or line.startswith("#"):
                continue
            commands.append(Command(number, "server", line, []))
        elif found := re.match(r"(?:(client))?\$ (.*)", line):
            commands.append(Command(number, found[1] or "server", found[2], []))
        else:
            commands[-1].expected.append(line)
            continue
        going_on = line.endswith("\\")
    return commands


def pattern(expected):
    """A regular expression for what is shown."""
    lines = ["(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n" for line in expected]
    return "".join(lines)


class Host:
    """The two hosts of one section, in the mount namespace that this process has for itself."""

    def __init__(self, bpfport, slice_):
        self.bpfport, self.slice, self.listening = bpfport, slice_, 0
        self.environment = {"PATH": f"{kBin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": kHome, "LANG": "C.UTF-8",
                            "TERM": "dumb", "SLICE": slice_, "DOCUMENTS": str(top / "tests/documents")}
        self.setup(f". {top}/tests/documents/setup.bash; make_hosts {bpfport}")

    def setup(self, text):
        # What it starts in the background has the file as its output, too, and nothing waits for that.
        with tempfile.TemporaryFile("w+") as output:
            status = subprocess.run(["bash", "-euc", f". {top}/tests/documents/setup.bash; {text}"], timeout=kSeconds,
                                    env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode
            output.seek(0)
            if status:
                sys.exit(f"setup: {text}: status {status}: {output.read()}")

    def listeners(self):
        shown = subprocess.run(["nsenter", "--net=/run/netns/server", "ss", "-Hltun"], capture_output=True, text=True)
        return len(shown.stdout.splitlines())

    def run(self, command):
        """Its exit status and what it printed, in the order of a terminal."""
        words = ["nsenter", f"--net=/run/netns/{command.where}"]
        if not re.search(r"\bsudo\b", command.text):
            words += ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "--inh-caps=-all"]
        words += ["bash", "-c", command.text]
        background = command.text.rstrip().endswith("&")
        before = self.listeners() if background else 0
        if background:
            with open("/mnt/log", "a") as log:
                subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=kHome, env=self.environment)
            end = time.monotonic() + kSeconds
            while self.listeners() <= before:
                if time.monotonic() > end:
                    return 1, "it does not listen:\n" + pathlib.Path("/mnt/log").read_text()
                time.sleep(0.02)
            return 0, ""
        # A terminal: with a file, what goes to standard error would come first.
        master, slave = os.openpty()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, cwd=kHome,
                                   env=self.environment)
        os.close(slave)
        printed, end = b"", time.monotonic() + kSeconds
        while True:
            ended = process.poll() is not None
            while select.select([master], [], [], 0 if ended else 0.02)[0]:
                try:
                    printed += os.read(master, 65536)
                except OSError: # the last that had it open has ended
                    break
                if not ended:
                    ended = process.poll() is not None
            if ended:
                break
            if time.monotonic() > end:
                process.kill()
                return -1, printed.decode() + f"(killed after {kSeconds} s)"
        os.close(master)
        return process.returncode, printed.decode(errors="replace").replace("\r\n", "\n")


def run_section(page, blocks, bpfport, slice_, show):
    """Prints a line for each block that is skipped or wrong, then how many commands ran and were skipped."""
    host, ran, skipped, wrong, missing = None, 0, 0, 0, {}
    for block in blocks:
        kinds = {kind: text for kind, text in block.marks}
        for kind, text in block.marks:
            if kind == "needs" and not shutil.which(text, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"):
                missing[block.part] = f"no {text} here"
        commands = commands_of(block) if block.language in ("console", "sh") else []
        reason = kinds.get("not run") or missing.get(block.part)
        if reason:
            skipped += len(commands)
            if commands:
                print(f"{page}:{block.line}: skipped {len(commands)}: {reason}")
            continue
        host = host or Host(bpfport, slice_)
        for kind, text in block.marks:
            if kind == "setup":
                host.setup(text)
        if "file" in kinds:
            path = pathlib.Path(kHome, kinds["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(block.text) + "\n")
            path.chmod(0o755 if block.text[0].startswith("#!") else 0o644)
            continue
        for command in commands:
            status, printed = host.run(command)
            ran += 1
            if show:
                print(f"{page}:{command.line}: {'client' * (command.where == 'client')}$ {command.text}\n{printed}", end="")
            fails = "fails" in kinds and command is commands[-1]
            if (status != 0) != fails or (command.expected and not re.fullmatch(pattern(command.expected), printed)):
                wrong += 1
                print(f"{page}:{command.line}: {command.text}\nstatus {status}, printed:\n{printed}"
                      + ("shown:\n" + "\n".join(command.expected) if command.expected else ""))
    print(f"total {ran} {skipped} {wrong}")


def end_cgroup(path):
    """Ends what is left in it, all of which a section started, and removes it."""
    for _ in range(500):
        try:
            for below in path.iterdir():
                if below.is_dir():
                    end_cgroup(below)
            for pid in (path / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            return path.rmdir()
        except FileNotFoundError: # `bpfport run` removes its own
            return
        except (OSError, ProcessLookupError):
            time.sleep(0.01)


def cgroup_mount():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return pathlib.Path(line.split()[1])
    return None


def sweep():
    """Cgroups of runs that were killed."""
    for slice_ in cgroup_mount().glob("bpdocs*.slice"):
        pid = re.match(r"bpdocs(\d+)", slice_.name)
        if pid and not pathlib.Path("/proc", pid[1]).exists():
            end_cgroup(slice_)


def run_apart(page, index, heading, bpfport, more):
    slice_ = cgroup_mount() / f"bpdocs{os.getpid()}{pathlib.Path(page).stem}{index}.slice"
    slice_.mkdir()
    try:
        done = subprocess.run(["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', slice_, "unshare", "--mount", "--propagation",
                               "private", sys.executable, __file__, "--section", str(index), "--slice", str(slice_), *more, bpfport, page],
                              capture_output=True, text=True)
    finally:
        end_cgroup(slice_)
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("total "):
        return f"{page}: {heading}: the test itself failed:\n{done.stdout}{done.stderr}", (0, 0, 1)
    return "\n".join(lines[:-1]), tuple(map(int, lines[-1].split()[1:]))


def skip(reason):
    print(f"documents: skipped: {reason}")
    sys.exit(77)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--section", type=int)
    parser.add_argument("--slice")
    options = parser.parse_args()
    if options.section is not None: # within namespaces of its own
        page = options.pages[0]
        run_section(page, read_page(top / page)[0][options.section][1], options.build, options.slice, options.show)
        return
    bpfport = pathlib.Path(options.build).resolve() / "user/bpfport"
    if os.geteuid() != 0:
        skip("needs root")
    if not os.access(bpfport, os.X_OK):
        skip(f"{bpfport} is not there yet")
    if not re.search(r"\boverlay$", pathlib.Path("/proc/filesystems").read_text(), re.M):
        skip("the kernel has no overlayfs")
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 6):
        skip("the pages show what Linux 6.6 and later print (tcx)")
    if not pathlib.Path("/proc/net/if_inet6").exists():
        skip("the kernel has no IPv6")
    if cgroup_mount() is None:
        skip("no cgroup version 2 is mounted")
    for program in ("curl", "ip", "nsenter", "setpriv", "ss", "unshare"):
        if not shutil.which(program):
            skip(f"no {program}")
    sweep()
    failed, totals, jobs = False, [0, 0, 0], []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for page in options.pages or [page for page in pages if (top / page).exists()]:
            sections, wrong = read_page(top / page)
            for text in wrong:
                failed = True
                print(text)
            jobs += [pool.submit(run_apart, page, index, section[0], str(bpfport),
                                 ["--show"] * options.show) for index, section in enumerate(sections)]
        for job in jobs:
            text, counts = job.result()
            if text:
                print(text)
            totals = [a + b for a, b in zip(totals, counts)]
    print(f"documents: {totals[0]} commands ran, {totals[1]} skipped, {totals[2]} wrong")
    sys.exit(1 if failed or totals[2] or not totals[0] else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
