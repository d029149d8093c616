#include "topics/detail/language_words.h"

namespace panal::topics::detail {
namespace {

constexpr LanguageWords kLanguages[] = {
    {"en", "English",
     "the of and to in is that it for was on are as with be at by this had not but from or have an "
     "they which "
     "one you were her all she there would their we him been has when who will no more if out so "
     "said what up "
     "its about into than them can only other new some could time these two may then do first any "
     "my now such "
     "like our over man me even most made after also did many before must through how your does "
     "where why "
     "should shall am being because very just here i he his us give tell please explain don t s "
     "write make "
     "use using between while both each those under own same too off down again once during "
     "against"},
    {"es", "Spanish",
     "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le "
     "ha me si sin "
     "sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde "
     "está mi porque "
     "qué sólo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo "
     "ese ahora cada e "
     "vida otro después te otros aunque esa eso hace otra gobierno tan durante siempre día tanto "
     "ella tres sí "
     "dijo sido gran país según menos mundo quién cuál cómo dónde cuándo cuánto quien cual eran "
     "ser estar tu tú "
     "usted ustedes nosotros ellos ellas esto estos estas aquel aquella aunque pues luego dime "
     "explica escribe haz "
     "hizo hacer decir tener fueron será sería cuyo cuya respondió dio ver sino sea"},
    {"fr", "French",
     "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il "
     "sont la les mais "
     "comme ou si leur y dont elle avec cette ces ont été aux son sa ses nous vous ils elles je tu "
     "on être avoir "
     "fait faire tout tous toute toutes même aussi bien sans peut entre après avant quand où était "
     "étaient ainsi "
     "quel quelle quels quelles comment pourquoi c d l n s j qu est-ce très moi lui leurs notre "
     "votre mon ma mes "
     "cela ça chez encore donc alors deux"},
    {"de", "German",
     "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an "
     "werden aus er "
     "hat daß dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben "
     "nur oder aber vor "
     "zur bis mehr durch man sein wurde sei hatte kann gegen vom können schon wenn habe seine ihre "
     "dann unter wir "
     "soll ich eines jahr zwei diese dieser wieder keine seiner worden will zwischen immer was "
     "sagte gibt alle "
     "diesem seit muß muss wurden doch jetzt waren drei jahre wer wo warum welche welcher mir mich "
     "dir dich uns "
     "du ihr hier sehr"},
    {"it", "Italian",
     "di e il la che in a per un è del si non una i le con da dei della al sono nel alla più ma "
     "gli come lo dal "
     "ha anche se ed o su questo questa delle loro ci suo sua suoi sue essere stato stata era "
     "hanno tra fra "
     "perché quando dove chi cosa così molto tutto tutti ogni nella nelle negli sul sulla dalla "
     "dai mi ti noi "
     "voi lui lei io tu quale quali quanto ancora prima dopo sempre solo già fatto fare c l dell "
     "all nell "
     "questi queste quello quella quelli"},
    {"pt", "Portuguese",
     "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele "
     "das tem à seu "
     "sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois "
     "sem mesmo aos "
     "ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm "
     "numa pelos elas "
     "havia seja qual será nós tenho lhe deles essas esses pelas este dele tu te vocês vos lhes "
     "quê onde porque "
     "são então ainda onde"},
    {"nl", "Dutch",
     "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij uit door "
     "naar over hij "
     "wordt worden werd zich ze heeft hebben had kan nog wel geen meer deze dit die wat wie waar "
     "waarom hoe tot "
     "was ik je jij u we wij zij haar hem hun ons mijn zou zal moet onder tegen na omdat toen veel "
     "al zo heel "
     "alle andere"},
    {"ca", "Catalan",
     "de la i el a que en les del els un per una amb no és al es van va com més o dels seva seu "
     "són però també "
     "ha aquest aquesta han entre pel sobre fins quan on molt ser tot l d s hi ho li ens us jo tu "
     "ell ella "
     "nosaltres aquests aquestes perquè què qui quin quina sense després abans era eren havia fou"},
    {"sv", "Swedish",
     "och i att det som en på är av för med till den har de inte om ett han men var jag sig från "
     "vi så kan man "
     "när år under också efter eller nu sin där vid mot ska skulle kommer ut får finns vara hade "
     "alla andra "
     "mycket än här då sedan över bara in blir upp även vad få två vill ha många hur mer går "
     "sverige detta nya "
     "dessa hon du mig dig oss er varför vem"},
    {"da", "Danish",
     "og i at det er en til af på for den med der de som har ikke et om han var jeg sig fra vi så "
     "kan man når år "
     "også efter eller nu sin hvor ved mod skal skulle kommer ud får findes være havde alle andre "
     "meget end her "
     "da siden over kun ind bliver op hvad to vil mange hvordan mere går dette nye disse hun du "
     "mig dig os hvem "
     "hvorfor blev"},
    {"pl", "Polish",
     "i w na z do się nie że to jest o jak po co od za przez ale ma był tak już przy było są dla "
     "jego być tym "
     "jej oraz może tylko która które który ich być czy mi go jako by lub pod także kiedy gdy "
     "jeszcze ja ty on "
     "ona my wy oni dlaczego gdzie kto"},
    {"ro", "Romanian",
     "de și în a la cu pe nu că o un din este să se mai au pentru care ce al sau sunt ca fi prin "
     "ale dar lui era "
     "după fost între această acest până fără sa îi când unde cum cine dacă atât doar foarte"},
    {"tr", "Turkish",
     "ve bir bu da de için ile çok olarak daha olan gibi en kadar ne sonra o ki mi var değil ama "
     "her ya olduğu "
     "ben sen biz siz onlar nasıl neden nerede kim hangi şu ancak veya"},
    {"ru", "Russian",
     "и в не на я быть он с что а по это она этот к но они мы весь который из у так же от бы как "
     "за вы о для то "
     "его было был все еще уже кто когда где почему"},
    {"uk", "Ukrainian",
     "і в не на я з що а по це він вона до та як за від але ви для його було був всі ще вже хто "
     "коли де чому є "
     "й або також його її їх"},
    {"la", "Latin",
     "et in est non ad ut cum qui quod sed ex si ab quae esse per aut enim etiam sunt nec atque "
     "autem hoc quam "
     "ne quid eius"},
    {"gl", "Galician", ""},
    {"eu", "Basque", ""},
    {"oc", "Occitan", ""},
    {"ast", "Asturian", ""},
    {"zh", "Chinese", ""},
    {"ja", "Japanese", ""},
    {"ko", "Korean", ""},
    {"ar", "Arabic", ""},
    {"fa", "Persian", ""},
    {"he", "Hebrew", ""},
    {"hi", "Hindi", ""},
    {"bn", "Bengali", ""},
    {"ta", "Tamil", ""},
    {"te", "Telugu", ""},
    {"th", "Thai", ""},
    {"el", "Greek", ""},
    {"ka", "Georgian", ""},
    {"hy", "Armenian", ""},
    {"bg", "Bulgarian", ""},
    {"sr", "Serbian", ""},
    {"cs", "Czech", ""},
    {"sk", "Slovak", ""},
    {"hu", "Hungarian", ""},
    {"fi", "Finnish", ""},
    {"et", "Estonian", ""},
    {"lv", "Latvian", ""},
    {"lt", "Lithuanian", ""},
    {"hr", "Croatian", ""},
    {"sl", "Slovenian", ""},
    {"nb", "Norwegian", ""},
    {"no", "Norwegian", ""},
    {"vi", "Vietnamese", ""},
    {"id", "Indonesian", ""},
    {"gn", "Guarani", ""},
    {"qu", "Quechua", ""},
    {"ay", "Aymara", ""},
};

}  // namespace

std::span<const LanguageWords> language_words() { return kLanguages; }

}  // namespace panal::topics::detail
