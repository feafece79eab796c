// A link `/v#<secret>` or `/o#<secret>` of an SMS: what is behind # goes into the form and out of the history, once.
const form = document.getElementById("link");
function take() {
  const secret = location.hash.slice(1);
  if (!/^[os][0-9a-z.]{20,90}$/.test(secret)) return;
  history.replaceState(null, "", location.pathname);
  form.elements.link.value = secret;
  form.requestSubmit();
}
window.addEventListener("hashchange", take);
take();
