/* The command palette: Ctrl+K or Cmd+K, type, arrows, Enter. */
(function () {
    "use strict";

    const dialog = document.getElementById("palette");
    const input = document.getElementById("palette-input");
    const list = document.getElementById("palette-list");
    const status = document.getElementById("palette-status");

    const PAUSE = 120; /* ms without a key before the server is asked */

    let options = []; /* of what is shown, in order: {element, result} */
    let selected = -1;
    let asking = null; /* aborts the question that is under way */
    let timer = 0;
    let isBehind = false; /* what is shown is not yet what the text means */
    let chooseWhenThere = null; /* Enter was pressed before the answer came */

    function open() {
        if (dialog.open) {
            return;
        }
        dialog.showModal();
        input.select();
        ask();
    }

    function textOf(name, className, text) {
        const element = document.createElement(name);
        element.className = className;
        element.textContent = text;
        return element;
    }

    function optionOf(result, index) {
        const element = document.createElement("div");
        element.className = "palette-option";
        element.id = `palette-option-${index}`;
        element.setAttribute("role", "option");
        element.setAttribute("aria-selected", "false");
        const icon = textOf("span", "material-symbols-outlined", result.icon);
        icon.setAttribute("aria-hidden", "true");
        element.append(
            icon,
            textOf("span", "palette-title", result.title),
            textOf("span", "palette-description", result.description),
        );
        return element;
    }

    function show(kinds) {
        options = [];
        const groups = kinds.map(({ kind, results }, number) => {
            const group = document.createElement("div");
            group.setAttribute("role", "group");
            group.setAttribute("aria-labelledby", `palette-kind-${number}`);
            const title = textOf("div", "palette-kind", kind);
            title.id = `palette-kind-${number}`;
            group.append(title);
            for (const result of results) {
                const element = optionOf(result, options.length);
                options.push({ element, result });
                group.append(element);
            }
            return group;
        });
        list.replaceChildren(...groups);
        list.scrollTop = 0;
        select(options.length ? 0 : -1);
        const n = options.length;
        status.textContent = n
            ? `${n} ${n === 1 ? "result" : "results"}: arrows to choose, Enter to go, Ctrl+Enter for a new tab`
            : `Nothing is called “${input.value.trim()}”. Try a part of a name, or an address.`;
    }

    function select(index) {
        options[selected]?.element.setAttribute("aria-selected", "false");
        selected = index;
        const option = options[selected]?.element;
        if (!option) {
            input.removeAttribute("aria-activedescendant");
            return;
        }
        option.setAttribute("aria-selected", "true");
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
    }

    async function ask() {
        clearTimeout(timer);
        asking?.abort();
        const own = (asking = new AbortController());
        isBehind = true;
        const address = `${dialog.dataset.address}?s=${encodeURIComponent(input.value)}`;
        try {
            const answer = await fetch(address, { signal: own.signal, headers: { "X-Console": "1" } });
            if (answer.status === 401) {
                dialog.close();
                await window.consoleFetch(address); /* asks to sign in again */
                open();
                return;
            }
            if (!answer.ok) {
                throw new Error(String(answer.status));
            }
            const { kinds } = await answer.json();
            if (own.signal.aborted) {
                return;
            }
            isBehind = false;
            show(kinds);
        } catch {
            if (own.signal.aborted) {
                return;
            }
            isBehind = false;
            list.replaceChildren();
            options = [];
            select(-1);
            status.textContent = "The server does not answer: try again in a moment.";
        }
        if (chooseWhenThere) {
            const choice = chooseWhenThere;
            chooseWhenThere = null;
            choose(selected, choice.inNewTab);
        }
    }

    function choose(index, inNewTab) {
        const result = options[index]?.result;
        if (!result) {
            return;
        }
        dialog.close();
        if (result.does === "sign-out") {
            document.getElementById("palette-sign-out").requestSubmit();
        } else if (result.does.startsWith("theme:")) {
            window.Alpine.$data(document.documentElement).switchTheme(result.does.slice("theme:".length));
        } else if (inNewTab) {
            window.open(result.link, "_blank", "noopener");
        } else {
            window.location.assign(result.link);
        }
    }

    input.addEventListener("input", () => {
        isBehind = true;
        chooseWhenThere = null;
        clearTimeout(timer);
        timer = setTimeout(ask, PAUSE);
    });

    input.addEventListener("keydown", (event) => {
        const n = options.length;
        const inNewTab = event.ctrlKey || event.metaKey;
        if (event.isComposing) {
            return;
        }
        if (event.key === "ArrowDown" && n) {
            select((selected + 1) % n);
        } else if (event.key === "ArrowUp" && n) {
            select((selected - 1 + n) % n);
        } else if (event.key === "Enter" && isBehind) {
            chooseWhenThere = { inNewTab };
        } else if (event.key === "Enter") {
            choose(selected, inNewTab);
        } else {
            return;
        }
        event.preventDefault();
    });

    list.addEventListener("pointermove", (event) => {
        const index = options.findIndex(({ element }) => element.contains(event.target));
        if (index >= 0 && index !== selected) {
            select(index);
        }
    });

    list.addEventListener("click", (event) => {
        const index = options.findIndex(({ element }) => element.contains(event.target));
        choose(index, event.ctrlKey || event.metaKey);
    });

    dialog.addEventListener("click", (event) => {
        if (event.target === dialog || event.target.closest(".palette-close")) {
            dialog.close();
        }
    });

    dialog.addEventListener("close", () => {
        clearTimeout(timer);
        asking?.abort();
        chooseWhenThere = null;
    });

    /* Before the page's own fields get it, so that it works while one of them has the focus. */
    window.addEventListener(
        "keydown",
        (event) => {
            if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
                event.preventDefault();
                event.stopPropagation();
                if (dialog.open) {
                    dialog.close();
                } else if (!document.querySelector("dialog[open]")) {
                    open();
                }
            }
        },
        true,
    );

    for (const button of document.querySelectorAll("[data-palette-open]")) {
        button.addEventListener("click", open);
    }
})();
