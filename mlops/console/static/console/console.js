/* What all pages of the console share: live parts, asking to sign in again, and copying. */
(function () {
    "use strict";

    /* Asking the server, with the page's CSRF token.
     *
     * `consoleFetch(address, options)` is `fetch` that resolves when the answer is there. When the
     * session has ended it waits until the user has signed in again in another tab: what is typed
     * here stays, and the request is sent then. */

    let token = null;

    function csrfToken() {
        if (token === null) {
            const field = document.querySelector("input[name=csrfmiddlewaretoken]");
            token = field ? field.value : "";
        }
        return token;
    }

    async function renewToken() {
        const answer = await fetch("/console/csrf/", { headers: { "X-Console": "1" } });
        if (!answer.ok) {
            return false;
        }
        token = (await answer.json()).token;
        for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) {
            field.value = token;
        }
        return true;
    }

    async function consoleFetch(address, options = {}) {
        for (let attempt = 0; ; attempt += 1) {
            const headers = { ...(options.headers || {}), "X-Console": "1", "X-CSRFToken": csrfToken() };
            const answer = await fetch(address, { ...options, headers });
            if (answer.status === 401) {
                await signedInAgain();
            } else if (answer.headers.has("X-Csrf-Failed") && attempt === 0) {
                await renewToken();
            } else {
                return answer;
            }
        }
    }

    let waiting = null;

    function signedInAgain() {
        waiting ||= new Promise((resolve) => {
            const dialog = document.createElement("dialog");
            dialog.className = "session-ended panel";
            dialog.setAttribute("aria-labelledby", "session-ended-title");
            dialog.innerHTML =
                '<h2 id="session-ended-title">Your session has ended</h2>' +
                "<p>Nothing that you typed is lost: this page stays as it is. Sign in again in a new " +
                "tab, then come back here.</p>" +
                '<p class="note note-danger" role="alert" hidden>You are not signed in yet.</p>' +
                '<p class="toolbar"><a class="button button-primary" target="_blank" ' +
                'href="/console/login/?next=/console/signed-in/">Sign in</a> ' +
                '<button class="button" type="button">I have signed in</button></p>';
            const resume = async () => {
                if (await renewToken()) {
                    window.removeEventListener("focus", resume);
                    dialog.close();
                    dialog.remove();
                    waiting = null;
                    resolve();
                    return true;
                }
                return false;
            };
            dialog.querySelector("button").addEventListener("click", async () => {
                dialog.querySelector("[role=alert]").hidden = await resume();
            });
            dialog.addEventListener("cancel", (event) => event.preventDefault());
            window.addEventListener("focus", resume);
            document.body.append(dialog);
            dialog.showModal();
        });
        return waiting;
    }

    window.consoleFetch = consoleFetch;
    window.consoleCsrfToken = csrfToken;

    document.addEventListener("htmx:configRequest", (event) => {
        event.detail.headers["X-CSRFToken"] = csrfToken();
    });

    /* Live parts. */

    const liveParts = new WeakMap();

    function livePart(body) {
        const part = body.closest("[data-live]");
        if (!part) {
            return null;
        }
        if (!liveParts.has(part)) {
            liveParts.set(part, { updatedAt: Date.now(), seconds: Number(part.dataset.live) });
        }
        return { part, state: liveParts.get(part) };
    }

    function ago(seconds) {
        if (seconds < 2) {
            return "just now";
        }
        return seconds < 90 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
    }

    function tellAges() {
        for (const part of document.querySelectorAll("[data-live]")) {
            const { state } = livePart(part);
            const seconds = Math.round((Date.now() - state.updatedAt) / 1000);
            const isStale = seconds > state.seconds * 2 + 2 && !document.hidden;
            part.classList.toggle("is-stale", isStale);
            const note = part.querySelector("[data-live-note]");
            note.textContent = isStale
                ? `not up to date: last updated ${ago(seconds)}. The server does not answer; trying on.`
                : `updated ${ago(seconds)}`;
        }
    }

    document.addEventListener("htmx:beforeRequest", (event) => {
        if (event.target.closest(".live") && document.hidden) {
            event.preventDefault();
        }
    });

    /* Whatever was open stays open, whatever was focused keeps the focus. */
    let openBefore = [];
    let focusedBefore = null;

    document.addEventListener("htmx:beforeSwap", (event) => {
        const found = livePart(event.target);
        if (!found) {
            return;
        }
        const { xhr } = event.detail;
        event.detail.shouldSwap = xhr.status === 200;
        if (xhr.status === 401) {
            signedInAgain().then(() => window.htmx.trigger(event.target, "refresh"));
        }
        if (xhr.status !== 200) {
            return;
        }
        if (xhr.getResponseHeader("X-Live-Ended")) {
            event.target.removeAttribute("hx-trigger");
        }
        found.state.updatedAt = Date.now();
        openBefore = [...event.target.querySelectorAll("details[open][id]")].map((each) => each.id);
        const focused = document.activeElement;
        focusedBefore = event.target.contains(focused) ? focused.id : null;
    });

    document.addEventListener("htmx:afterSwap", (event) => {
        if (!livePart(event.target)) {
            return;
        }
        for (const id of openBefore) {
            document.getElementById(id)?.setAttribute("open", "");
        }
        if (focusedBefore) {
            document.getElementById(focusedBefore)?.focus({ preventScroll: true });
        }
        tellAges();
    });

    document.addEventListener("visibilitychange", () => {
        if (!document.hidden) {
            for (const body of document.querySelectorAll("[data-live] > .live-body")) {
                window.htmx.trigger(body, "refresh");
            }
        }
    });

    /* Copying: `data-copy` names what is copied. */

    document.addEventListener("click", async (event) => {
        const button = event.target.closest("[data-copy]");
        if (!button) {
            return;
        }
        const source = document.querySelector(button.dataset.copy);
        const text = "value" in source ? source.value : source.textContent;
        let isCopied = true;
        try {
            await navigator.clipboard.writeText(text);
        } catch {
            /* Not over plain HTTP from elsewhere: mark it, so that Ctrl+C does it. */
            isCopied = false;
            const range = document.createRange();
            range.selectNodeContents(source);
            window.getSelection().removeAllRanges();
            window.getSelection().addRange(range);
        }
        const label = button.textContent;
        button.textContent = isCopied ? "Copied" : "Press Ctrl+C";
        setTimeout(() => (button.textContent = label), 2000);
    });

    document.addEventListener("DOMContentLoaded", () => {
        setInterval(tellAges, 1000);
        tellAges();
    });
})();
