// Keeps the numbers of the page current from the event stream.
// Everything is in the first HTML already: without this file the page reloads itself instead.
"use strict";

(() => {
  const POLL_MS = 5000;
  const INTERVAL_MS = Number(document.body.dataset.interval) * 1000;
  const HIGH = 80;
  const DISK_HIGH = 90;
  const MODES = ["user", "nice", "system", "iowait", "irq", "softirq", "steal", "idle"];

  const connection = document.getElementById("connection");
  const pause = document.getElementById("pause");
  let source = null;
  let pollTimer = null;
  let paused = false;
  let lastRefresh = 0;
  let staleAfter = 0;

  // The same figures in the same words as the server writes them.
  const percent = (value, unknown = "not known") =>
    value === null ? unknown : `${value.toFixed(1)}%`;

  const size = (bytes) => {
    if (bytes === null) return "not known";
    if (bytes < 1024) return `${bytes} B`;
    let value = bytes;
    let unit = -1;
    while (value >= 1024 && unit < 5) {
      value /= 1024;
      unit += 1;
    }
    return `${value.toFixed(1)} ${"KMGTPE"[unit]}iB`;
  };

  const rate = (value) => (value === null ? "measuring…" : `${size(Math.round(value))}/s`);

  const duration = (seconds) => {
    if (seconds === null) return "not known";
    const whole = Math.floor(seconds);
    const part = (unit, limit) => Math.floor((whole % limit) / unit);
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return `${part(60, 3600)}m ${whole % 60}s`;
    if (whole < 86400) return `${part(3600, 86400)}h ${part(60, 3600)}m`;
    return `${Math.floor(whole / 86400)}d ${part(3600, 86400)}h`;
  };

  const setText = (element, text) => {
    // Only a change is announced by a screen reader.
    if (element && element.textContent !== text) element.textContent = text;
  };

  const text = (key, value) =>
    setText(document.querySelector(`[data-text="${CSS.escape(key)}"]`), value);

  const meter = (key, value, shown, limit = HIGH) => {
    const element = document.querySelector(`[data-meter="${CSS.escape(key)}"]`);
    if (!element) return;
    element.setAttribute("aria-valuenow", value ?? 0);
    element.setAttribute("aria-valuetext", shown);
    element.querySelector(".fill").setAttribute("width", `${value ?? 0}%`);
    element.classList.toggle("high", value !== null && value > limit);
  };

  const figure = (key, value, shown, limit) => {
    text(key, shown);
    meter(key, value, shown, limit);
  };

  const shownDisks = (sample) => sample.disks.filter((disk) => disk.filesystem !== "tmpfs");

  const shownNetworks = (sample) =>
    sample.network.filter(
      (one) => one.interface !== "lo" && one.receive_bytes + one.transmit_bytes > 0,
    );

  const layout = (sample) =>
    [
      ...sample.cpu.per_core.map((core) => `core ${core.cpu}`),
      ...shownDisks(sample).map((disk) => `disk ${disk.mount_point}`),
      ...shownNetworks(sample).map((one) => `network ${one.interface}`),
    ].join("|");

  // A disk or an interface came or went: the server knows how its row looks.
  const refreshLayout = async () => {
    if (Date.now() - lastRefresh < POLL_MS) return;
    lastRefresh = Date.now();
    const response = await fetch("./", { cache: "no-store" });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.querySelector("main").replaceWith(page.querySelector("main"));
  };

  const renderDisks = (sample) => {
    for (const disk of shownDisks(sample)) {
      const shown = disk.error
        ?? `${percent(disk.percent)}: ${size(disk.used_bytes)} used, ${size(disk.available_bytes)} left`;
      figure(`disk-${disk.mount_point}`, disk.percent, shown, DISK_HIGH);
    }
  };

  const renderNetworks = (sample) => {
    for (const one of shownNetworks(sample)) {
      const received = rate(one.receive_bytes_per_second);
      const sent = rate(one.transmit_bytes_per_second);
      text(`network-${one.interface}`, `in ${received}, out ${sent}`);
    }
  };

  const renderErrors = (sample) => {
    const items = sample.errors.map((error) => {
      const item = document.createElement("li");
      item.textContent = `${error.source}: ${error.message}`;
      return item;
    });
    document.getElementById("errors").replaceChildren(...items);
  };

  const render = (sample) => {
    const measuring = sample.interval_seconds === null ? "measuring…" : "not known";
    const { cpu, memory, swap, load } = sample;
    figure("cpu", cpu.percent, percent(cpu.percent, measuring));
    figure("memory", memory.percent, percent(memory.percent));
    for (const mode of MODES) text(`mode-${mode}`, percent(cpu.modes?.[mode] ?? null, measuring));
    for (const part of ["used", "available", "cached", "total"]) {
      text(`memory-${part}`, size(memory[`${part}_bytes`]));
    }
    for (const core of cpu.per_core) {
      figure(`core-${core.cpu}`, core.percent, percent(core.percent, measuring));
    }
    text("load", load ? [load.one, load.five, load.fifteen].map((n) => n.toFixed(2)).join("  ") : "not known");
    text("uptime", duration(sample.uptime_seconds));
    text("swap", swap.percent === null ? "none" : `${percent(swap.percent)} of ${size(swap.total_bytes)}`);
    renderDisks(sample);
    renderNetworks(sample);
    renderErrors(sample);
    setText(document.getElementById("message"), sample.message);
    document.getElementById("state").classList.toggle("high", sample.high);
    const time = document.getElementById("time");
    time.dateTime = sample.time;
    time.textContent = `${sample.time.slice(11, 19)} UTC`;
    if (layout(sample) !== document.querySelector("main").dataset.layout) {
      refreshLayout().catch(() => {});
    }
  };

  const say = (words) => setText(connection, words);

  const close = () => {
    source?.close();
    source = null;
    clearTimeout(pollTimer);
    pollTimer = null;
  };

  // A refusal ends an event stream for good: ask for single readings and try the stream again.
  const poll = async () => {
    try {
      const response = await fetch("api/v1/status", { cache: "no-store" });
      const sample = response.ok ? await response.json() : null;
      if (paused) return;
      if (sample) render(sample);
      say(response.ok ? "Every 5 s" : "Not updating");
    } catch {
      say("Not connected");
    }
    pollTimer = setTimeout(open, POLL_MS);
  };

  const open = () => {
    close();
    if (paused || document.hidden) return;
    staleAfter = Infinity;
    source = new EventSource("events");
    source.addEventListener("sample", (event) => {
      say("Live");
      render(JSON.parse(event.data));
      // A connection can die without a word, as when a laptop sleeps.
      staleAfter = Date.now() + 3 * INTERVAL_MS + 15000;
    });
    source.addEventListener("error", () => {
      say("Reconnecting…");
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      poll();
    });
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    say(paused ? "Paused" : "Connecting…");
    open();
  });

  // A hidden page needs no stream, and browsers allow six to one host.
  document.addEventListener("visibilitychange", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);

  setInterval(() => {
    if (source && Date.now() > staleAfter) open();
  }, POLL_MS);

  pause.hidden = false;
  say("Connecting…");
})();
