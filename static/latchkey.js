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

// While the life of an access token is chosen: until when it will work, and a date that is typed is the one chosen.
const expiry = document.querySelector("[data-expiry]");
if (expiry) {
  const told = expiry.querySelector("[role=status]");
  const date = expiry.querySelector("[type=date]");
  const untilDate = expiry.querySelector("[value=date]");
  const written = { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" };
  const tell = () => {
    const chosen = expiry.querySelector(":checked");
    const until = chosen?.labels[0].querySelector(".detail")?.textContent;
    const day = chosen === untilDate && date.valueAsDate;
    if (until) told.textContent = `It will work ${until}.`;
    else if (chosen?.value === "never") told.textContent = "It will work until you revoke it.";
    else if (day) {
      const days = Math.ceil((day.getTime() - Date.now()) / 86400000) + 1;
      const from = days === 1 ? "less than a day" : `${days} days`;
      told.textContent = `It will work until the end of ${day.toLocaleDateString("en-GB", written)} (UTC), ${from} from now.`;
    } else told.textContent = "";
  };
  date.addEventListener("input", () => {
    if (date.value) untilDate.checked = true;
  });
  expiry.addEventListener("input", tell);
  tell();
}
