/* django-unfold opens menus, filters and the navigation by clicks on texts and icons alone. Here they
 * become buttons that the keyboard reaches and a screen reader names. */
(function () {
    "use strict";

    const NATIVE = "button, a[href], input, select, textarea, label, summary, [tabindex]";
    const ICON = "material-symbols-outlined";
    const NAMES = { dock_to_right: "Show or hide the navigation", close: "Close" };

    function nameOf(element) {
        if (element.classList.contains(ICON)) {
            const icon = element.textContent.trim();
            return NAMES[icon] || icon.replaceAll("_", " ");
        }
        const copy = element.cloneNode(true);
        for (const icon of copy.querySelectorAll(`.${ICON}`)) {
            icon.remove();
        }
        return copy.textContent.trim().replace(/\s+/g, " ");
    }

    document.addEventListener("DOMContentLoaded", () => {
        for (const element of document.querySelectorAll("[x-on\\:click]")) {
            const name = element.matches(NATIVE) ? "" : nameOf(element);
            if (!name) {
                continue;
            }
            element.tabIndex = 0;
            element.setAttribute("role", "button");
            element.setAttribute("aria-label", name);
            element.addEventListener("keydown", (event) => {
                if (event.target === element && (event.key === "Enter" || event.key === " ")) {
                    event.preventDefault();
                    element.click();
                }
            });
        }
    });
})();
