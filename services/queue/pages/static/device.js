// A link `/device#<token>`: the token goes into the form and out of the history, and the form is sent.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = token;
  document.getElementById("device").requestSubmit();
}
