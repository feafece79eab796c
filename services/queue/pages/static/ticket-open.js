// A link `/ticket#<pass>`: the pass goes out of the address and into the form, and the form is sent.
function take() {
  const pass = location.hash.slice(1);
  const form = document.getElementById("open");
  if (!pass.includes(".") || !form) return;
  history.replaceState(null, "", location.pathname);
  form.elements.pass.value = pass;
  form.requestSubmit();
}
window.addEventListener("hashchange", take);
take();
