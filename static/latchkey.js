// Small comforts. Every page works without this file.

// What is wrong with a form comes first. Most browsers see to it by themselves: it has `autofocus`.
if (!("autofocus" in HTMLElement.prototype)) document.querySelector("[data-error-summary]")?.focus();

// A click into the secret selects all of it.
const secret = document.getElementById("secret");
secret?.addEventListener("focus", () => secret.select());
if (secret && secret === document.activeElement) secret.select();

// Copy, where the browser has a clipboard: over https and on loopback.
if (navigator.clipboard) {
  for (const copy of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(copy.dataset.copy);
    const status = copy.querySelector("[role=status]");
    copy.hidden = false;
    copy.querySelector("button").addEventListener("click", async () => {
      status.textContent = "";
      try {
        await navigator.clipboard.writeText(source.value ?? source.textContent);
        status.textContent = "Copied";
      } catch {
        status.textContent = "Not copied: select the text instead.";
      }
    });
  }
}
