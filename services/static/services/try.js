/* "Try it" on the page of a version: runs it with the inputs of the form or of the JSON view. */
(function () {
    "use strict";

    const { element, inputForm, readJson, resultView, timing } = window.tryIt;

    /* What to do about an answer that is no result. */
    const ADVICE = {
        403: "Ask the publisher or an Owner for a grant.",
        404: "The version may have been deleted: go back to the list of services.",
        413: "Send less at once, or start a batch.",
        503: "Nothing was run. Wait a moment and run it again; if that goes on, look at the compute nodes.",
        504: "The call took longer than the web node waits. Send less at once, or start a batch, which may take longer.",
    };

    function begin(form) {
        const parameters = JSON.parse(form.dataset.parameters);
        const fields = inputForm(form.querySelector("[data-fields]"), parameters);
        const json = form.querySelector("[data-json]");
        const problem = form.querySelector("[data-problem]");
        const call = form.querySelector("[data-call]");
        const state = form.querySelector("[data-state]");
        const output = document.querySelector(form.dataset.result);
        const run = form.querySelector("[data-run]");
        const cancel = form.querySelector("[data-cancel]");
        const tabs = [...form.querySelectorAll("[role=tab]")];
        let isJson = false;
        let running = null;

        function show(message) {
            problem.hidden = !message;
            problem.textContent = message;
        }

        /* The inputs as JSON text; says why and returns null when they are none. */
        function inputs() {
            try {
                show("");
                const value = isJson ? readJson(json.value, "The text") : fields.read();
                return JSON.stringify(value);
            } catch (error) {
                show(`${error.message}.`);
                return null;
            }
        }

        function showCall() {
            let body;
            try {
                body = JSON.stringify(isJson ? JSON.parse(json.value) : fields.read());
            } catch {
                return;
            }
            const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
            call.textContent = `curl ${quoted(form.dataset.api)} \\\n  -H "Authorization: Bearer $MLOPS_KEY" \\\n` +
                `  -H 'Content-Type: application/json' \\\n  --data ${quoted(body)}`;
        }

        function choose(tab) {
            const toJson = tab.dataset.view === "json";
            if (toJson !== isJson) {
                try {
                    show("");
                    if (toJson) {
                        json.value = JSON.stringify(fields.read(), null, 2);
                    } else {
                        fields.write(readJson(json.value, "The text"));
                    }
                } catch (error) {
                    show(`${error.message}.`);
                    return;
                }
                isJson = toJson;
            }
            for (const each of tabs) {
                const isChosen = each === tab;
                each.setAttribute("aria-selected", String(isChosen));
                each.tabIndex = isChosen ? 0 : -1;
                document.getElementById(each.getAttribute("aria-controls")).hidden = !isChosen;
            }
            showCall();
        }

        tabs.forEach((tab, at) => {
            tab.addEventListener("click", () => choose(tab));
            tab.addEventListener("keydown", (event) => {
                const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
                if (step) {
                    const next = tabs[(at + step + tabs.length) % tabs.length];
                    choose(next);
                    next.focus();
                }
            });
        });

        function setRunning(controller) {
            running = controller;
            run.disabled = Boolean(controller);
            cancel.hidden = !controller;
            output.setAttribute("aria-busy", String(Boolean(controller)));
        }

        function failure(title, message, advice) {
            output.replaceChildren(element("div", { class: "note note-danger", role: "alert" },
                element("strong", {}, `${title} `), message, advice ? element("p", {}, advice) : ""));
        }

        async function submit(event) {
            event.preventDefault();
            if (running) {
                return;
            }
            const body = inputs();
            if (body === null) {
                problem.focus();
                return;
            }
            showCall();
            const controller = new AbortController();
            setRunning(controller);
            const startedAt = performance.now();
            const tick = () => {
                state.textContent = `Running for ${((performance.now() - startedAt) / 1000).toFixed(0)} s …`;
            };
            state.textContent = "Running …";
            const timer = setInterval(tick, 1000);
            try {
                const answer = await window.consoleFetch(form.dataset.address, {
                    method: "POST",
                    body,
                    headers: { "Content-Type": "application/json" },
                    signal: controller.signal,
                });
                const text = await answer.text();
                const elapsed = performance.now() - startedAt;
                if (!answer.ok) {
                    state.textContent = `Not run to its end (HTTP ${answer.status}).`;
                    failure(`HTTP ${answer.status}.`, text, ADVICE[answer.status]);
                    return;
                }
                const result = JSON.parse(text);
                state.textContent = result.success ? "Succeeded." : "The code failed.";
                const badge = element("span", { class: `badge badge-${result.success ? "success" : "danger"}` },
                    result.success ? "success" : "failed");
                output.replaceChildren(element("h3", {}, "Result ", badge),
                    timing(answer.headers.get("Server-Timing"), elapsed), ...resultView(result, text));
            } catch (error) {
                if (error.name === "AbortError") {
                    state.textContent = "Cancelled: the run was broken off.";
                    output.replaceChildren();
                } else {
                    state.textContent = "Not run to its end.";
                    failure("No answer.", "The web node cannot be reached, or broke the connection off.",
                        "Look whether you are still connected, and run it again.");
                }
            } finally {
                clearInterval(timer);
                setRunning(null);
            }
        }

        form.addEventListener("submit", submit);
        form.addEventListener("input", showCall);
        cancel.addEventListener("click", () => running?.abort());
        try {
            fields.write(JSON.parse(form.dataset.example));
        } catch {
            /* Too large for the form: it stays empty, and JSON has it. */
            json.value = JSON.stringify(JSON.parse(form.dataset.example), null, 2);
            isJson = true;
            choose(tabs.find((tab) => tab.dataset.view === "json"));
        }
        showCall();
    }

    document.addEventListener("DOMContentLoaded", () => {
        for (const form of document.querySelectorAll("form[data-try]")) {
            begin(form);
        }
        /* What a page has not waited for is asked for now. */
        for (const body of document.querySelectorAll(".live-at-once > .live-body")) {
            window.htmx.trigger(body, "refresh");
        }
    });
})();
