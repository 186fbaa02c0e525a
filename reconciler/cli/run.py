"""``virtsnap run``."""

import signal
import threading
from typing import Annotated

import typer

from reconciler.cli import run_source, running
from reconciler.cli import run_telling as tell
from reconciler.cli.exit_code import ExitCode, of_outcomes
from reconciler.cli.log import LogLevel, log_to_stderr
from reconciler.cli.options import Options, seconds
from reconciler.cli.parameters import AllowEmpty, Settings, Values
from reconciler.cli.run_http import DEFAULT_LISTEN, HookSecretFile, HttpOptions, Listen, Textfile
from reconciler.cli.run_service import DEFAULT_STOP_TIMEOUT, LogFrom, ServiceOptions, StopTimeout
from reconciler.cli.stopping import stopping

Interval = Annotated[
    str,
    typer.Option(
        "--interval", metavar="DURATION", help="A pass every so often besides those on change."
    ),
]
Once = Annotated[bool, typer.Option("--once", help="One pass, then the end; for timers.")]


ReportOnly = Annotated[
    bool, typer.Option("--report-only", help="Plan every pass, and change nothing.")
]
MaxDeletions = Annotated[
    int | None,
    typer.Option(
        "--max-deletions",
        metavar="N",
        min=0,
        help="Remove at most so many snapshots a pass; the rest is held until a later one.",
    ),
]
MaxBlockJobs = Annotated[
    int,
    typer.Option(
        "--max-block-jobs",
        metavar="N",
        min=1,
        help="Block jobs on all hosts together; a Host has a limit of its own.",
    ),
]


def run(
    options: Options,
    source: run_source.SourceLocation = None,
    branch: run_source.BranchName = None,
    tag: run_source.TagName = None,
    revision: run_source.RevisionHash = None,
    path: run_source.FolderInside = None,
    source_ssh_key: run_source.SshKey = None,
    source_known_hosts: run_source.KnownHosts = None,
    source_token_file: run_source.TokenFile = None,
    source_timeout: run_source.FetchTimeout = "2m",
    verify_ssh: run_source.VerifySsh = None,
    verify_openpgp: run_source.VerifyOpenpgp = None,
    interval: Interval = "1m",
    once: Once = False,
    report_only: ReportOnly = False,
    max_deletions: MaxDeletions = None,
    max_block_jobs: MaxBlockJobs = 8,
    allow_empty: AllowEmpty = False,
    values: Values = None,
    settings: Settings = None,
    listen: Listen = DEFAULT_LISTEN,
    hook_secret_file: HookSecretFile = None,
    textfile: Textfile = None,
    before_step: tell.BeforeStep = None,
    after_step: tell.AfterStep = None,
    hook_timeout: tell.HookTimeout = tell.DEFAULT_HOOK_TIMEOUT,
    history_age: tell.HistoryAge = tell.DEFAULT_HISTORY_AGE,
    history_entries: tell.HistoryEntries = tell.DEFAULT_HISTORY_ENTRIES,
    notify: tell.Notify = None,
    notify_file: tell.NotifyFile = None,
    notify_on: tell.NotifyOn = tell.DEFAULT_TOPICS,
    notify_limit: tell.NotifyLimit = tell.DEFAULT_NOTIFY_LIMIT,
    commit_status: tell.CommitStatusOf = None,
    commit_status_url: tell.CommitStatusUrl = None,
    commit_status_token_file: tell.CommitStatusTokenFile = None,
    stop_timeout: StopTimeout = DEFAULT_STOP_TIMEOUT,
    log: LogFrom = LogLevel.INFO,
) -> int:
    """Apply on every change of the manifests and every interval, until stopped.

    Nobody looks on, so what `prune: confirm` holds back stays held back.
    """
    loop = running.Loop(
        interval=seconds("--interval", interval, least=0.1, example="virtsnap run --interval 1m"),
        is_report_only=report_only,
        max_deletions=max_deletions,
        block_jobs=max_block_jobs,
    )
    reading = running.Reading(
        values=tuple(values or ()), settings=tuple(settings or ()), allow_empty=allow_empty
    )
    stop = threading.Event()
    manifests = run_source.source_of(
        run_source.SourceValues(
            source=source,
            branch=branch,
            tag=tag,
            revision=revision,
            path=path,
            ssh_key=source_ssh_key,
            known_hosts=source_known_hosts,
            token_file=source_token_file,
            timeout=source_timeout,
            verify_ssh=verify_ssh,
            verify_openpgp=verify_openpgp,
        ),
        options,
        stop,
    )
    service = ServiceOptions.of(log, stop_timeout)
    log_to_stderr(options, service.log)
    outlets = running.Outlets(
        stop_timeout=service.stop_timeout,
        http=HttpOptions(listen=listen, hook_secret_file=hook_secret_file, textfile=textfile),
        branch=branch,
        source=str(source or manifests.id),
        telling=tell.Telling(
            hooks=tell.hooks_given(before_step, after_step, hook_timeout),
            history=tell.history_given(history_age, history_entries),
            notify=tell.notify_given(notify, notify_file, notify_on, notify_limit),
            statuses=tell.statuses_given(
                commit_status, commit_status_url, commit_status_token_file
            ),
        ),
    )
    with stopping(stop) as signals:
        if once:
            return of_outcomes(running.once(options, manifests, reading, loop, outlets, stop))
        running.until_stopped(options, manifests, reading, loop, outlets, stop)
    # a service manager that asks us to end is obeyed, and that is no failure
    return ExitCode.INTERRUPTED if signal.SIGINT in signals else ExitCode.DONE
