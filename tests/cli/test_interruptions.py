"""Runs that are killed or interrupted go on to the bytes of an uninterrupted one."""
import os
import random
import shutil
import signal
import subprocess
import time

import harness
from harness import LIMIT, SOAK, lines_of, steps_of, svtune


class Interruptions(harness.Base):
    """Moments of a run are told by what it has written, never by the clock."""
    KILLS = 50 if SOAK else 3  # of each method
    STEPS = (600, 2400, 9600) if SOAK else (60, 240, 960, 3840)
    PAUSE = 2e-4  # seconds between two looks: far below a step, and leaves the core to others

    def ended(self, process):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def start(self, run, method, steps, *more):
        """Begins the run, or goes on with it."""
        resume = ["--resume"] if (run / "config.json").exists() else []
        arguments = self.train_arguments(run, *more, *resume, method=method, steps=steps)
        return subprocess.Popen(harness.command(*arguments), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def reach(self, process, moment):
        """Waits for moment(); False when the process ends before."""
        while not moment():
            if self.ended(process):
                output = process.communicate()[0]
                self.assertEqual(process.returncode, 0, output)
                return False
            time.sleep(self.PAUSE)
        return True

    def reach_or_kill(self, process, moment):
        """For a process that does not end by itself."""
        try:
            self.assertTrue(self.reach(process, moment))
        except BaseException:
            process.kill()
            raise

    def held(self, process, condition):
        """Stops the process; lets it go on, and returns False, unless the condition holds then."""
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if condition() and not self.ended(process):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    def kill_at(self, process, moment):
        """kill -9 while moment() holds; False when the process ends before."""
        while self.reach(process, moment):
            if self.held(process, moment):
                process.kill()
                process.communicate()
                return True
        return False

    def with_enough_steps(self, attempt):
        """Calls attempt(folder, steps), and again with more steps when the run was too fast."""
        for steps in self.STEPS:
            folder = self.root / f"{self.id()}-{steps}"
            if attempt(folder, steps):
                return
            shutil.rmtree(folder)
        self.fail("no run was long enough to be interrupted")

    def check_same_result(self, folder, method, steps):
        whole, broken = folder / "whole", folder / "broken"
        self.train(whole, method=method, steps=steps)
        result = "model" if method == "full" else "adapter"
        self.same_files(whole / result, broken / result)
        self.assertEqual(steps_of(broken), list(range(1, steps + 1)))

    def killed_at(self, moments, folder, method, steps):
        """Kills the run at each of the moments, lets the last start end; False if one missed."""
        run = folder / "broken"
        for moment in moments(run, steps):
            process = self.start(run, method, steps, "--save-every", 1)
            if not self.kill_at(process, moment):
                return False
        process = self.start(run, method, steps, "--save-every", 1)
        output = process.communicate(timeout=LIMIT)[0]
        self.assertEqual(process.returncode, 0, output)
        left = [p.name for p in run.rglob("*svtune-tmp*")]
        self.assertEqual(left, [])
        self.check_same_result(folder, method, steps)
        return True

    def check_kills(self, moments, methods):
        for method in methods:
            with self.subTest(method=method):
                self.with_enough_steps(lambda folder, steps, method=method: self.killed_at(
                    moments, folder / method, method, steps))

    def test_runs_killed_at_random_steps_end_with_the_bytes_of_whole_ones(self):
        rng = random.Random(4)

        def moments(run, steps):
            for step in sorted(rng.sample(range(1, steps // 2), self.KILLS)):
                yield lambda step=step: lines_of(run / "metrics.jsonl") >= step

        self.check_kills(moments, ("lora", "pissa", "svft", "full"))

    def test_runs_killed_while_a_checkpoint_is_written_end_with_the_same_bytes(self):
        def moments(run, _):
            # The same moment again would find the folder that the kill before left behind.
            for _ in range(self.KILLS):
                before = set((run / "checkpoints").glob(".step-*"))
                yield lambda before=before: bool(
                    set((run / "checkpoints").glob(".step-*")) - before)

        self.check_kills(moments, ("lora", "pissa", "svft"))

    def test_a_run_killed_before_its_first_step_starts_again(self):
        def moments(run, _):
            yield run.exists
            yield (run / "config.json").exists
            yield (run / "checkpoints").exists

        self.check_kills(moments, ("pissa",))

    def test_signals_save_and_print_the_command_that_goes_on(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            def attempt(folder, steps, number=number):
                run = folder / number.name / "broken"
                process = self.start(run, "lora", steps)
                self.reach(process, lambda: lines_of(run / "metrics.jsonl") > 3)
                process.send_signal(number)
                output = process.communicate(timeout=LIMIT)[0]
                if "Stopped after step" not in output:
                    self.assertEqual(process.returncode, 0, output)
                    return False
                self.assertEqual(process.returncode, 128 + number, output)
                self.assertIn("--resume", output)
                resumed = svtune("train", "--config", run / "config.json", "--resume")
                self.assertEqual(resumed.returncode, 0, resumed.stderr)
                self.check_same_result(run.parent, "lora", steps)
                return True

            with self.subTest(signal=number.name):
                self.with_enough_steps(attempt)

    def test_a_lost_reader_of_the_output_stops_the_run_with_a_checkpoint(self):
        run = self.root / "reader"
        arguments = self.train_arguments(run, steps=10 ** 6)
        process = subprocess.Popen(harness.command(*arguments), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        self.reach_or_kill(process, lambda: lines_of(run / "metrics.jsonl") > 3)
        process.stderr.close()  # the next line of progress meets nobody
        self.assertEqual(process.wait(timeout=LIMIT), 128 + signal.SIGPIPE)
        self.assertTrue(list((run / "checkpoints").glob("step-*/COMPLETE")))

    def test_nohup_survives_the_terminal(self):
        run = self.root / "nohup"
        process = subprocess.Popen(["nohup", *harness.command(*self.train_arguments(
            run, steps=10 ** 6))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.reach_or_kill(process, lambda: lines_of(run / "metrics.jsonl") > 3)
        process.send_signal(signal.SIGHUP)
        after = lines_of(run / "metrics.jsonl") + 3
        self.reach_or_kill(process, lambda: lines_of(run / "metrics.jsonl") > after)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=LIMIT), 128 + signal.SIGTERM)


if __name__ == "__main__":
    harness.main()
