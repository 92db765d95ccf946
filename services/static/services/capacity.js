// Draws each step of a capacity evaluation: a point per call and series, over the time it ended.
"use strict";
(() => {
    const PAD = { left: 56, right: 24, top: 8, bottom: 34 };

    function ticks(from, to, most) {
        const rough = (to - from) / most || 1;
        const power = 10 ** Math.floor(Math.log10(rough));
        const size = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
        const found = [];
        for (let at = Math.ceil(from / size) * size; at <= to; at += size) found.push(at);
        return found;
    }

    const said = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : 1 });

    class Step {
        constructor(element, step, titles) {
            this.step = step;
            this.titles = titles;
            this.canvas = element.querySelector(".drawing");
            this.overview = element.querySelector(".overview");
            this.readout = element.querySelector(".readout");
            this.shown = titles.map(() => true);
            this.end = step.points.reduce((most, point) => Math.max(most, point[0]), 1);
            this.window = [0, this.end];
            this.at = -1;
            this.makeLegend(element.querySelector(".legend"));
            this.canvas.addEventListener("pointermove", (event) => this.point(event));
            this.canvas.addEventListener("pointerleave", () => this.choose(-1));
            this.canvas.addEventListener("keydown", (event) => this.key(event));
            this.overview.addEventListener("pointerdown", (event) => this.startBrush(event));
            this.overview.addEventListener("pointermove", (event) => this.brush(event));
            this.overview.addEventListener("pointerup", () => { this.brushFrom = null; });
            this.overview.addEventListener("dblclick", () => this.show(0, this.end));
            new ResizeObserver(() => this.draw()).observe(this.canvas);
        }

        makeLegend(legend) {
            this.titles.forEach((title, index) => {
                const button = document.createElement("button");
                button.type = "button";
                button.setAttribute("aria-pressed", "true");
                const dot = document.createElement("i");
                dot.style.background = `var(--s${index})`;
                button.append(dot, title);
                button.addEventListener("click", () => {
                    this.shown[index] = !this.shown[index];
                    button.setAttribute("aria-pressed", String(this.shown[index]));
                    this.draw();
                });
                legend.append(button);
            });
        }

        show(from, to) {
            this.window = [Math.max(0, from), Math.min(this.end, Math.max(to, from + this.end / 200))];
            this.draw();
        }

        visible() {
            const [from, to] = this.window;
            return this.step.points.filter((point) => point[0] >= from && point[0] <= to);
        }

        colour(name) {
            return getComputedStyle(this.canvas).getPropertyValue(name);
        }

        prepare(canvas) {
            const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
            canvas.width = box.width * ratio;
            canvas.height = box.height * ratio;
            const pen = canvas.getContext("2d");
            pen.scale(ratio, ratio);
            pen.font = "12px system-ui, sans-serif";
            return [pen, box.width, box.height];
        }

        draw() {
            if (!this.canvas.clientWidth) return;
            const [pen, width, height] = this.prepare(this.canvas);
            const points = this.visible(), [from, to] = this.window;
            let top = 0;
            for (const point of points) {
                this.shown.forEach((is, index) => { if (is && point[index + 1] > top) top = point[index + 1]; });
            }
            top = top * 1.05 || 1;
            this.x = (at) => PAD.left + ((at - from) / (to - from)) * (width - PAD.left - PAD.right);
            this.y = (value) => height - PAD.bottom - (value / top) * (height - PAD.top - PAD.bottom);
            this.axes(pen, width, height, top);
            for (let index = this.titles.length - 1; index >= 0; index--) {
                if (!this.shown[index]) continue;
                pen.strokeStyle = pen.fillStyle = this.colour(`--s${index}`);
                pen.globalAlpha = 0.35;
                pen.lineWidth = 1;
                pen.beginPath();
                points.forEach((point) => pen.lineTo(this.x(point[0]), this.y(point[index + 1])));
                pen.stroke();
                pen.globalAlpha = 1;
                const size = points.length > 400 ? 2 : 3;
                points.forEach((point) =>
                    pen.fillRect(this.x(point[0]) - size / 2, this.y(point[index + 1]) - size / 2, size, size));
            }
            const chosen = this.step.points[this.at];
            if (chosen) {
                pen.strokeStyle = this.colour("--ink");
                pen.beginPath();
                pen.moveTo(this.x(chosen[0]), PAD.top);
                pen.lineTo(this.x(chosen[0]), height - PAD.bottom);
                pen.stroke();
            }
            this.drawOverview();
        }

        axes(pen, width, height, top) {
            pen.strokeStyle = this.colour("--grid");
            pen.fillStyle = this.colour("--ink");
            pen.lineWidth = 1;
            pen.textAlign = "right";
            pen.textBaseline = "middle";
            for (const value of ticks(0, top, 5)) {
                pen.beginPath();
                pen.moveTo(PAD.left, this.y(value));
                pen.lineTo(width - PAD.right, this.y(value));
                pen.stroke();
                pen.fillText(said(value), PAD.left - 6, this.y(value));
            }
            pen.textAlign = "center";
            pen.textBaseline = "top";
            for (const at of ticks(...this.window, Math.max(2, width / 110))) {
                pen.fillText(said(at), this.x(at), height - PAD.bottom + 4);
            }
            pen.fillText("time since start [ms]", (PAD.left + width) / 2, height - 14);
            pen.save();
            pen.translate(8, (height - PAD.bottom) / 2);
            pen.rotate(-Math.PI / 2);
            pen.fillText("duration [ms]", 0, -6);
            pen.restore();
        }

        drawOverview() {
            const [pen, width, height] = this.prepare(this.overview);
            const most = this.step.points.reduce((top, point) => Math.max(top, point[1]), 1);
            const x = (at) => PAD.left + (at / this.end) * (width - PAD.left - PAD.right);
            pen.fillStyle = this.colour("--s0");
            this.step.points.forEach((point) => pen.fillRect(x(point[0]), height - 2 - (point[1] / most) * (height - 4), 1, 2));
            pen.fillStyle = this.colour("--band");
            pen.fillRect(x(this.window[0]), 0, x(this.window[1]) - x(this.window[0]), height);
            pen.strokeStyle = this.colour("--grid");
            pen.strokeRect(PAD.left + 0.5, 0.5, width - PAD.left - PAD.right, height - 1);
        }

        timeAt(canvas, event, from, to) {
            const box = canvas.getBoundingClientRect();
            const share = (event.clientX - box.left - PAD.left) / (box.width - PAD.left - PAD.right);
            return from + Math.min(1, Math.max(0, share)) * (to - from);
        }

        startBrush(event) {
            this.overview.setPointerCapture(event.pointerId);
            this.brushFrom = this.timeAt(this.overview, event, 0, this.end);
        }

        brush(event) {
            if (this.brushFrom == null) return;
            const at = this.timeAt(this.overview, event, 0, this.end);
            this.show(Math.min(at, this.brushFrom), Math.max(at, this.brushFrom));
        }

        point(event) {
            const at = this.timeAt(this.canvas, event, ...this.window);
            let best = -1;
            this.step.points.forEach((point, index) => {
                if (best < 0 || Math.abs(point[0] - at) < Math.abs(this.step.points[best][0] - at)) best = index;
            });
            this.choose(best);
        }

        key(event) {
            const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (!by) return;
            event.preventDefault();
            this.choose(Math.min(this.step.points.length - 1, Math.max(0, this.at + by)));
        }

        choose(index) {
            this.at = index;
            const point = this.step.points[index];
            this.readout.textContent = point
                ? `After ${said(point[0])} ms: ` +
                  this.titles.map((title, place) => `${title} ${said(point[place + 1])} ms`).join(" \u00b7 ")
                : "";
            this.draw();
        }
    }

    function start() {
        const source = document.getElementById("capacity-data");
        if (!source) return;
        const report = JSON.parse(source.textContent);
        const steps = [...document.querySelectorAll(".capacity[data-step]")].map(
            (element) => new Step(element, report.steps[element.dataset.step], report.titles));
        const redraw = () => steps.forEach((step) => step.draw());
        new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["class"] });
    }

    document.addEventListener("DOMContentLoaded", start);
})();
