/* Draws `<canvas data-chart="…">` with Chart.js; see mlops/console/charts.py for what is in it. */
(function () {
    "use strict";

    const COLOURS = {
        primary: ["#1d6fa5", "#5db1e4"],
        success: ["#15803d", "#4ade80"],
        warning: ["#b45309", "#fbbf24"],
        danger: ["#b91c1c", "#f87171"],
        info: ["#6d28d9", "#a78bfa"],
        neutral: ["#6b7280", "#9ca3af"],
    };
    const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

    const isDark = () => document.documentElement.classList.contains("dark");
    const shade = (name) => (COLOURS[name] || COLOURS.primary)[isDark() ? 1 : 0];

    function humanised(value) {
        if (value === null || value === undefined) {
            return "–";
        }
        const size = Math.abs(value);
        if (size >= 1e6) {
            return `${(value / 1e6).toPrecision(3)} M`;
        }
        if (size >= 1e4) {
            return `${(value / 1e3).toPrecision(3)} k`;
        }
        return size >= 100 || Number.isInteger(value) ? Math.round(value).toString() : value.toPrecision(3);
    }

    const two = (number) => String(number).padStart(2, "0");

    function timeLabel(time, span) {
        const clock = `${two(time.getHours())}:${two(time.getMinutes())}`;
        const day = `${two(time.getDate())}.${two(time.getMonth() + 1)}.`;
        return span <= 36 * 3600e3 ? clock : span <= 8 * 86400e3 ? `${day} ${clock}` : day;
    }

    /* Upright lines where something was published. */
    const markers = {
        id: "markers",
        afterDatasetsDraw(chart, _, options) {
            const { ctx, chartArea, scales } = chart;
            ctx.save();
            ctx.strokeStyle = shade("neutral");
            ctx.fillStyle = shade("neutral");
            ctx.setLineDash([3, 3]);
            for (const { position } of options.lines || []) {
                const x = scales.x.getPixelForDecimal(position);
                ctx.beginPath();
                ctx.moveTo(x, chartArea.top);
                ctx.lineTo(x, chartArea.bottom);
                ctx.stroke();
                ctx.beginPath();
                ctx.moveTo(x - 4, chartArea.top);
                ctx.lineTo(x + 4, chartArea.top);
                ctx.lineTo(x, chartArea.top + 6);
                ctx.fill();
            }
            ctx.restore();
        },
    };

    /* Whether no line leads to the value, which must be a point to be seen. */
    function isAlone(values, place) {
        const isKnown = (at) => values[at] !== null && values[at] !== undefined;
        return isKnown(place) && !isKnown(place - 1) && !isKnown(place + 1);
    }

    function draw(canvas, isAnimated) {
        const data = JSON.parse(canvas.dataset.chart);
        const times = data.times.map((each) => new Date(each));
        const [first, last] = [times[0], times[times.length - 1]];
        const span = last - first;
        const step = times.length > 1 ? span / (times.length - 1) : 0;
        const lines = data.markers
            .map(({ at, label }) => ({ at: new Date(at), label }))
            .filter(({ at }) => at >= first && at <= last - -step && span > 0)
            .map(({ at, label }) => ({ at, label, position: Math.min(1, (at - first) / span) }));
        const grid = isDark() ? "rgba(255,255,255,.08)" : "rgba(0,0,0,.07)";
        const text = isDark() ? "#cbd5e1" : "#475569";
        window.Chart.getChart(canvas)?.destroy();
        new window.Chart(canvas, {
            type: "line",
            data: {
                labels: times.map((time) => timeLabel(time, span)),
                datasets: data.series.map((each, index) => ({
                    type: each.kind === "bar" ? "bar" : "line",
                    label: each.label,
                    data: each.values,
                    borderColor: shade(each.colour),
                    backgroundColor: shade(each.colour) + (each.kind === "bar" ? "cc" : "33"),
                    fill: each.kind === "area",
                    borderWidth: each.kind === "bar" ? 0 : 1.75,
                    borderDash: each.kind === "bar" ? [] : DASHES[index % DASHES.length],
                    pointRadius: each.values.map((_, place) => (isAlone(each.values, place) ? 2 : 0)),
                    pointHitRadius: 8,
                    tension: 0.2,
                    spanGaps: false,
                    stack: data.isStacked ? "all" : undefined,
                })),
            },
            options: {
                animation: isAnimated ? { duration: 200 } : false,
                responsive: true,
                maintainAspectRatio: false,
                interaction: { mode: "index", intersect: false },
                scales: {
                    x: {
                        stacked: data.isStacked,
                        grid: { display: false },
                        ticks: { color: text, maxRotation: 0, autoSkipPadding: 16 },
                    },
                    y: {
                        stacked: data.isStacked,
                        beginAtZero: true,
                        grid: { color: grid },
                        border: { display: false },
                        ticks: { color: text, maxTicksLimit: 5, callback: humanised },
                    },
                },
                plugins: {
                    markers: { lines },
                    legend: {
                        display: data.series.length > 1,
                        position: "bottom",
                        labels: { color: text, boxWidth: 18, boxHeight: 2, padding: 12 },
                    },
                    tooltip: {
                        callbacks: {
                            title: ([item]) => times[item.dataIndex].toLocaleString(),
                            label: (item) => `${item.dataset.label}: ${humanised(item.raw)} ${data.unit}`,
                            footer: ([item]) =>
                                lines
                                    .filter(({ at }) => Math.abs(at - times[item.dataIndex]) <= step / 2)
                                    .map(({ label }) => label),
                        },
                    },
                },
            },
            plugins: [markers],
        });
    }

    function drawAll(within, isAnimated) {
        for (const canvas of within.querySelectorAll("canvas[data-chart]")) {
            draw(canvas, isAnimated);
        }
    }

    document.addEventListener("htmx:beforeSwap", (event) => {
        for (const canvas of event.target.querySelectorAll("canvas[data-chart]")) {
            window.Chart.getChart(canvas)?.destroy();
        }
    });
    document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target, false));
    document.addEventListener("DOMContentLoaded", () => {
        drawAll(document, true);
        new MutationObserver(() => drawAll(document, false)).observe(document.documentElement, {
            attributeFilter: ["class"],
        });
    });
    window.drawConsoleCharts = (within) => drawAll(within, false);
})();
