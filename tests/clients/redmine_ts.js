// One call of redmine-ts'. Arguments: the address, what to do, and JSON; the credentials are in the environment.
// Prints what came of it as JSON: the answer, or {"error": …}.

const { Redmine } = require("redmine-ts");

const [url, action, argument] = process.argv.slice(2);
const redmine = new Redmine(url, {
  apiKey: process.env.REDMINE_KEY,
  username: process.env.REDMINE_LOGIN,
  password: process.env.REDMINE_PASSWORD,
  impersonateUser: process.env.REDMINE_SWITCH_USER,
});

const calls = {
  current: async () => (await redmine.getUser("current")).user,
  account: async () => (await redmine.getMyAccount()).user,
  "change account": (fields) => redmine.updateMyAccount(fields),
  list: (parameters) => redmine.listUsers(parameters ?? { status: "" }),
  show: async (id) => (await redmine.getUser(id)).user,
  create: async (fields) => (await redmine.createUser(fields)).user,
  change: ({ id, ...fields }) => redmine.updateUser(id, fields),
  delete: (id) => redmine.deleteUser(id),
};

calls[action](JSON.parse(argument))
  .catch((error) => ({ error: error.message }))
  .then((answer) => console.log(JSON.stringify(answer)));
